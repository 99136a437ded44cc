"""Show the model where to look: some heads of one layer learn to attend to what the next token says."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from vl2.data.pointers import Pointers
from vl2.kernels.backends import AttentionBackend

NUM_POINTING_HEADS = 2


@dataclass
class PointingAttention:
    """An attention backend for one pass through the language model; `loss` is the summed loss of its pointing heads."""

    attention: AttentionBackend
    pointers: Pointers
    layer: int  # whose heads point
    calls: int = 0
    loss: Tensor = field(default_factory=lambda: torch.zeros(()))

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        """Attend as the backend does; in the pointing layer, take the loss too."""
        if self.calls == self.layer:
            heads = slice(NUM_POINTING_HEADS)
            scores = (query[:, heads] * scale) @ key[:, heads].transpose(-2, -1)  # [B, h, T, S]
            self.loss = pointing_loss(scores if mask is None else scores + mask, self.pointers)
        self.calls += 1
        return self.attention(query, key, value, mask, scale)


def pointing_loss(scores: Tensor, pointers: Pointers) -> Tensor:
    """Return the mean over M tokens and h heads of -log(attention on the token's place) for scores [B, h, T, S]."""
    asked = scores[pointers.rows, :, pointers.positions].float()  # [M, h, S]
    keys = pointers.firsts[:, None] + torch.arange(pointers.targets.shape[1])  # [M, V]
    is_target = torch.zeros(asked.shape[0], asked.shape[2], dtype=torch.bool)  # [M, S]
    is_target.scatter_(1, keys, pointers.targets)
    on_target = asked.masked_fill(~is_target[:, None], -torch.inf).logsumexp(-1)  # [M, h]
    return (asked.logsumexp(-1) - on_target).mean()
