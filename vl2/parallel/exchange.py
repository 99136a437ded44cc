"""Rows to other processes, with their gradients on the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def all_to_all(rows: Tensor, sends: Sequence[int], receives: Sequence[int], group: dist.ProcessGroup | None) -> Tensor:
    """Send the first sends[0] rows [N, ..] to rank 0 and so on; returns what came, in the order of ranks.

    PyTorch's own version with gradients has no public name that is not deprecated.
    """
    return _AllToAll.apply(rows, sends, receives, group)  # type: ignore[no-any-return]


class _AllToAll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, sends: Sequence[int], receives: Sequence[int], group: dist.ProcessGroup | None
    ) -> Tensor:
        ctx.sends, ctx.receives, ctx.group = sends, receives, group
        return _send(rows, sends, receives, group)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _send(gradients[0], ctx.receives, ctx.sends, ctx.group), None, None, None


def _send(rows: Tensor, sends: Sequence[int], receives: Sequence[int], group: dist.ProcessGroup | None) -> Tensor:
    came = rows.new_empty(sum(receives), *rows.shape[1:])
    dist.all_to_all_single(came, rows.contiguous(), list(receives), list(sends), group=group)
    return came
