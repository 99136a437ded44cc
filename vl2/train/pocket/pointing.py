"""Show the model where to look: some heads of one layer learn to attend to what the next token says."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from vl2.data.pointers import Pointers
from vl2.kernels import Backends
from vl2.model.attention import Mask, attend
from vl2.model.language import additive

NUM_POINTING_HEADS = 2


@dataclass
class PointingAttention:
    """Attention for one pass through the language model, under either kind of mask, as `backends` have it.

    `loss` is the summed loss of its pointing heads.
    """

    backends: Backends
    pointers: Pointers
    layer: int  # whose heads point
    calls: int = 0
    loss: Tensor = field(default_factory=lambda: torch.zeros(()))

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, mask: Mask, scale: float) -> Tensor:
        """Attend as the backends do; in the pointing layer, take the loss too."""
        if self.calls == self.layer:
            heads = slice(NUM_POINTING_HEADS)
            scores = (query[:, heads] * scale) @ key[:, heads].transpose(-2, -1)  # [B, h, T, S]
            self.loss = pointing_loss(scores + additive(mask, scores), self.pointers)
        self.calls += 1
        return attend(query, key, value, mask, scale, self.backends)


def pointing_loss(scores: Tensor, pointers: Pointers) -> Tensor:
    """Return the mean over M tokens and h heads of how far attention is from the token's place.

    That is -log(attention on the place) for scores [B, h, T, S]; where attention shall be even, the divergence
    from even attention over the targets.
    """
    asked = scores[pointers.rows, :, pointers.positions].float()  # [M, h, S]
    asked = asked.log_softmax(-1)[..., : pointers.targets.shape[1]]
    targets = pointers.targets[:, None]
    on_place = asked.masked_fill(~targets, -torch.inf).logsumexp(-1)  # [M, h]
    count = pointers.targets.sum(-1)[:, None]
    evenly = asked.masked_fill(~targets, 0).sum(-1) / count + count.log()  # [M, h]
    return -torch.where(pointers.even[:, None], evenly, on_place).mean()
