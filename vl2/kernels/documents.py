"""Attention within documents: each attends alone, so that no score between two of them is ever computed or kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from vl2.kernels.native.learned_attention import learned_attention, learns_attention


@dataclass(frozen=True)
class Documents:
    """The lengths of the documents of each row, in their order; padding is one of them."""

    lengths: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, numbers: Tensor) -> Documents | None:
        """Read document numbers [B, T]; None where a document lies in pieces."""
        found = []
        for row in numbers.cpu():
            runs, lengths = row.unique_consecutive(return_counts=True)
            if len(runs) > len(runs.unique()):
                return None
            found.append(tuple(lengths.tolist()))
        return cls(lengths=tuple(found))

    def numbers(self) -> Tensor:
        """Return document numbers [B, T]."""
        return torch.stack([torch.arange(len(row)).repeat_interleave(torch.tensor(row)) for row in self.lengths])


def attention(query: Tensor, key: Tensor, value: Tensor, documents: Documents, scale: float) -> Tensor:
    """Equal to `reference.attention` under the mask of `documents`: a query may look back within its own.

    Query and key [B, H, T, Dh], value [B, H, T, Dv] -> [B, H, T, Dv].
    """
    if learns_attention(query, key, value):
        return learned_attention(query, key, value, scale, lengths=documents.lengths, is_causal=True)
    return alone(query, key, value, documents, scale)


def alone(query: Tensor, key: Tensor, value: Tensor, documents: Documents, scale: float) -> Tensor:
    """Return the same by PyTorch's fused kernel, called once a document."""
    rows = []
    for row, lengths in enumerate(documents.lengths):
        # split, not slices: the gradient of a slice is as long as the row
        queries, keys, values = (part[row : row + 1].split(lengths, dim=2) for part in (query, key, value))
        attended = map(partial(_attend, scale=scale), queries, keys, values)
        rows.append(torch.cat([part.transpose(1, 2) for part in attended], dim=1))  # [1, T, H, Dv]
    return torch.cat(rows).transpose(1, 2)  # [B, H, T, Dv]


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attend within one document [1, H, t, Dv]."""
    missing = query.shape[-1] - value.shape[-1]
    if missing <= 0:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
    # the fused kernels of a CPU want one size of heads; without them all scores are kept for the backward pass
    out = F.scaled_dot_product_attention(query, key, F.pad(value, (0, missing)), is_causal=True, scale=scale)
    return out[..., : value.shape[-1]]
