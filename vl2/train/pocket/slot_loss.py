"""The loss of dense slots: characters, figures and box edges of each patch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vl2.data.slots import SlotTargets
from vl2.train.pocket.heads import SlotPrediction
from vl2.train.pocket.waves import waves

EDGE_WEIGHT = 10.0  # the squares of waves are small numbers


def slot_loss(prediction: SlotPrediction, targets: SlotTargets) -> Tensor:
    """Return the mean loss of characters, figures and box edges over the patches that are asked."""
    logits, wanted = prediction.characters.flatten(0, -2), targets.characters.flatten()
    # letters and blanks are averaged apart: nine slots of ten are blank
    letters = F.cross_entropy(logits[wanted > 0], wanted[wanted > 0]) if (wanted > 0).any() else torch.zeros(())
    blanks = F.cross_entropy(logits[wanted == 0], wanted[wanted == 0]) if (wanted == 0).any() else torch.zeros(())
    figures = F.cross_entropy(prediction.figures.flatten(0, -2), targets.figures.flatten(), ignore_index=-1)
    has_box = targets.edges[..., 0] >= 0
    edges = torch.zeros(())
    if has_box.any():
        edges = EDGE_WEIGHT * F.mse_loss(prediction.edges[has_box], waves(targets.edges[has_box]))
    return letters + blanks + figures + edges


def slot_accuracy(prediction: SlotPrediction, targets: SlotTargets) -> tuple[float, float]:
    """Return the share of right characters among non-blank slots and of right figures among figure patches."""
    return (
        _share(prediction.characters.argmax(-1) == targets.characters, targets.characters > 0),
        _share(prediction.figures.argmax(-1) == targets.figures, targets.figures > 0),
    )


def _share(is_right: Tensor, is_asked: Tensor) -> float:
    return float(is_right[is_asked].float().sum() / max(1, int(is_asked.sum())))
