"""What the language model learns from a batch: the next supervised token, and balanced experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vl2.core.batch import IGNORE_INDEX, PADDING, Batch
from vl2.model import VL2
from vl2.model.moe import Routing
from vl2.train.losses import (
    CoordinateTokens,
    coordinate_loss,
    is_coordinate,
    next_token_loss,
    sequence_aux_loss,
    shifted_targets,
)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """One forward pass: sums over the supervised tokens, so that batches of any size add up."""

    text: Tensor  # summed cross-entropy
    balance: Tensor  # summed over layers, a mean over rows
    num_tokens: int
    num_right: int  # supervised tokens that are the likeliest
    routing: Mapping[int, Routing]

    def loss(self, num_tokens: float, aux_weight: float) -> Tensor:
        """Return what is minimised, as this batch's part of a step of `num_tokens` supervised tokens."""
        return (self.text + aux_weight * self.num_tokens * self.balance) / num_tokens


def document_targets(batch: Batch) -> Tensor:
    """Return what each position should predict [B, T]; no document predicts the first token of the next."""
    assert batch.labels is not None
    starts_next = F.pad(batch.documents[:, 1:], (0, 1)) != batch.documents  # [B, T]
    return shifted_targets(batch.labels).masked_fill(starts_next, IGNORE_INDEX)


def count_supervised(batch: Batch) -> int:
    """Return how many tokens of a batch are learned from."""
    return int((document_targets(batch) != IGNORE_INDEX).sum())


def learn(model: VL2, batch: Batch, coordinates: CoordinateTokens | None = None) -> Learned:
    """Run a batch; logits are computed only where a token is learned from.

    With `coordinates` a number in a box is also a little right when it is near.
    """
    asked, wanted, logits, routing = _run(model, batch)
    if coordinates is None:
        text = next_token_loss(logits, wanted)
    else:
        soft = is_coordinate(batch.input_ids, coordinates)[asked]  # [M]
        text = next_token_loss(logits[~soft], wanted[~soft])
        if soft.any():
            text = text + coordinate_loss(logits[soft], wanted[soft], coordinates)
    is_token = batch.documents != PADDING  # [B, T]
    losses = [sequence_aux_loss(decided, len(asked), is_token) for decided in routing.values()]
    return Learned(
        text=text,
        balance=torch.stack(losses).sum() if losses else logits.new_zeros(()),
        num_tokens=len(wanted),
        num_right=int((logits.detach().argmax(-1) == wanted).sum()),
        routing=routing,
    )


@dataclass(frozen=True, kw_only=True)
class Scored:
    """How likely a model finds the supervised tokens of a batch, row by row."""

    logprobs: Tensor  # [M] float32
    rows: Tensor  # [M] the row of each

    def by_row(self, num_rows: int) -> Tensor:
        """Return the log-probability of each row's tokens together [B]."""
        return self.logprobs.new_zeros(num_rows).index_add(0, self.rows, self.logprobs)


def score(model: VL2, batch: Batch, temperature: float = 1.0) -> Scored:
    """Return the log-probabilities of what a batch supervises, as a model draws it at a temperature."""
    asked, wanted, logits, _ = _run(model, batch)
    return Scored(logprobs=-F.cross_entropy(logits / temperature, wanted, reduction="none"), rows=asked.nonzero()[:, 0])


def _run(model: VL2, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Mapping[int, Routing]]:
    """Return where a token is learned from [B, T], these tokens [M], their logits [M, V], and the routing."""
    targets = document_targets(batch)  # [B, T]
    asked = targets != IGNORE_INDEX  # [B, T]
    hidden = model.language(model.embed(batch), batch.positions, batch.documents, None, model.backends)
    return asked, targets[asked], model.logits(hidden.states[asked]), hidden.routing
