"""Change: a low-rank change of one frozen weight, the part of it that trains."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vl2.weights.adapter import LowRank, adapted


class Change(nn.Module):
    """The change of one weight of a shape [.., O, I]: nothing at first, since `up` is zero."""

    def __init__(self, shape: torch.Size, rank: int, scale: float, device: torch.device) -> None:
        super().__init__()
        *stack, rows, columns = shape
        self.scale = scale
        self.is_on = True
        self.down = nn.Parameter(torch.randn(*stack, rank, columns, device=device) * columns**-0.5)
        self.up = nn.Parameter(torch.zeros(*stack, rows, rank, device=device))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with its change."""
        return adapted(weight, LowRank(down=self.down, up=self.up), self.scale) if self.is_on else weight

    def product(self, x: Tensor, expert: int | None = None) -> Tensor:
        """Return x [.., I] times the change alone [.., O], computed in float32: for a weight that is not there."""
        down, up = (side if expert is None else side[expert] for side in (self.down, self.up))
        return (self.scale * (x.float() @ down.mT @ up.mT)).to(x.dtype)
