"""What training minimises: next tokens, soft coordinates, balanced experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vl2.core.batch import IGNORE_INDEX
from vl2.core.boxes import BOX_SCALE
from vl2.model.moe import Routing
from vl2.processor.marks import DET, DET_END
from vl2.processor.tokenizer import Tokenizer

COORDINATE_SIGMA = 6.0  # thousandths: half a pixel of a 96-pixel tile
COORDINATE_REACH = 15
ROWS_AT_ONCE = 64  # of logits: they stay in a processor's cache


@dataclass(frozen=True)
class CoordinateTokens:
    """The token of every whole number 0..999, and the tokens that open and close a list of boxes."""

    ids: Tensor  # [1000]
    opening: int
    closing: int


def coordinate_tokens(tokenizer: Tokenizer) -> CoordinateTokens:
    """Return the tokens that boxes are written with. Raises VL2Error when a number has none."""
    ids = torch.tensor([tokenizer.id_of(str(number)) for number in range(BOX_SCALE + 1)])
    return CoordinateTokens(ids=ids, opening=tokenizer.id_of(DET), closing=tokenizer.id_of(DET_END))


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the summed cross-entropy of logits [M, V] against targets [M]."""
    if logits.requires_grad and torch.is_grad_enabled():
        return _NextToken.apply(logits, targets)  # type: ignore[no-any-return]
    return F.cross_entropy(logits, targets, reduction="sum")


class _NextToken(torch.autograd.Function):
    """Keeps the logits and a sum for each row; all log-probabilities are never there at once."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        sums = torch.cat([rows.logsumexp(-1) for rows in logits.split(ROWS_AT_ONCE)])  # [M]
        ctx.save_for_backward(logits, targets, sums)
        return (sums - logits.gather(1, targets[:, None])[:, 0]).sum()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides the parameters' names
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor, None]:
        logits, targets, sums = ctx.saved_tensors
        found = torch.empty_like(logits)  # [M, V]
        parts = (part.split(ROWS_AT_ONCE) for part in (logits, sums[:, None], found))
        for rows, total, out in zip(*parts, strict=True):
            torch.sub(rows, total, out=out).exp_().mul_(gradients[0])  # [m, V]
        return found.scatter_add_(1, targets[:, None], -gradients[0].expand(len(targets), 1)), None


def shifted_targets(labels: Tensor) -> Tensor:
    """Return what each position should predict [B, T] for labels [B, T]."""
    return F.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX)


def is_coordinate(input_ids: Tensor, tokens: CoordinateTokens) -> Tensor:
    """Tell which targets [B, T] are numbers inside a list of boxes (the target is the next token)."""
    inside = ((input_ids == tokens.opening).long() - (input_ids == tokens.closing).long()).cumsum(1) > 0
    return inside & torch.isin(shifted_targets(input_ids), tokens.ids)


def coordinate_loss(logits: Tensor, targets: Tensor, tokens: CoordinateTokens) -> Tensor:
    """Return the summed cross-entropy against a bell around each number: a near miss is better than a far one.

    logits [M, V], targets [M] are ids of number tokens.
    """
    numbers = torch.searchsorted(tokens.ids.sort().values, targets)
    numbers = tokens.ids.argsort()[numbers]  # [M]
    offsets = torch.arange(-COORDINATE_REACH, COORDINATE_REACH + 1, device=logits.device)
    weights = torch.softmax(-(offsets.float() ** 2) / (2 * COORDINATE_SIGMA**2), 0)
    nearby = (numbers[:, None] + offsets).clamp(0, BOX_SCALE)  # [M, 2*reach+1]
    log_probs = F.log_softmax(logits, dim=-1).gather(1, tokens.ids[nearby])
    return -(log_probs * weights).sum()


def sequence_aux_loss(routing: Routing, batch_size: int, counts: Tensor | None = None) -> Tensor:
    """Return the balance loss of one layer, per row and averaged over rows (the paper's expert-level loss).

    Fraction of choices times mean share of the scores of each expert, summed over experts; 1 when all are equal. Scores
    that a sigmoid made become shares first (DeepSeek-V3, section 2.1.2). `counts` [B, T] leaves out tokens, such as
    padding.
    """
    num_experts = routing.scores.shape[1]
    ids = routing.topk_ids.view(batch_size, -1)  # [B, T*K]
    scores = routing.scores.view(batch_size, -1, num_experts)  # [B, T, E]
    scores = scores / scores.sum(-1, keepdim=True)
    weight = torch.ones_like(scores[..., 0]) if counts is None else counts.to(scores.dtype)  # [B, T]
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1)  # [B, T]
    top_k = ids.shape[1] // weight.shape[1]
    chosen = scores.new_zeros(batch_size, num_experts).scatter_add_(1, ids, weight.repeat_interleave(top_k, 1))
    chosen = chosen * num_experts / top_k  # [B, E]
    mean = torch.einsum("bt,bte->be", weight, scores)  # [B, E]
    return (chosen * mean).sum(1).mean()
