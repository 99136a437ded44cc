"""A module whose shape comments test_shape_tracer.py reads. Lines that end in `wrong` carry a comment that lies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pair:
    """Two fields with shapes."""

    left: Tensor  # [B, T]
    right: Tensor | None = None  # [B, T, D]


def right(x: Tensor) -> Tensor:
    """Hold in every line."""
    flat = x.flatten(0, 1)  # [B*T, D] float32: text after a shape is free
    wide = torch.cat(
        (flat, flat),
        dim=-1,
    )  # [B*T, 2*D]
    half = wide[:, : x.shape[2]]  # [.., D]
    first, second = half.unflatten(0, (x.shape[0], -1)).split((1, x.shape[1] - 1), dim=1)  # [B, 1, D], [B, T-1, D]
    with torch.no_grad():
        return torch.cat((first, second), dim=1)  # [B, T, D]


def rounds(sizes: list[int]) -> Tensor:
    """Bind a letter anew in each round of a loop."""
    total = torch.zeros(1)  # [1]
    for size in sizes:
        row = torch.ones(size)  # [X]
        grid = row[:, None] * row  # [X, X]
        total = total + grid.sum()  # [1]
    return total


def arguments(
    x: Tensor,  # [B, T, D]
    mask: Tensor | None,  # [B, T]
) -> Tensor:
    """Bind letters by arguments."""
    scores = torch.stack([row.sum(-1) for row in x])  # [B, T]
    return scores if mask is None else scores * mask


def wrong_letter(x: Tensor) -> Tensor:
    """Swap two dimensions."""
    y = x.transpose(1, 2)  # [B, T, D] wrong
    return y


def wrong_rank(x: Tensor) -> Tensor:
    """Forget a dimension."""
    return x  # [B, T] wrong


def wrong_within_a_call(x: Tensor) -> Tensor:
    """Use one unknown letter for two sizes."""
    rows = x[0]  # [Q, D]
    return rows[:-1]  # [Q, D] wrong


def wrong_value() -> list[int]:
    """Comment what is no tensor."""
    sizes = [1, 2]  # [N] wrong
    return sizes


def wrong_argument(
    x: Tensor,  # [T, B, D] wrong
) -> Pair:
    """Pass a wrong field on."""
    return Pair(x[0], x)


def survives(x: Tensor) -> Tensor:
    """Leave a commented line by an exception."""
    try:
        x = x.view(-1, 1_000_003)  # [B, T]
    except RuntimeError:
        x = x[:, :, 0]
    return x  # [B, T]


def unreached(x: Tensor) -> Tensor:
    """Is never called."""
    return x  # [B]
