"""Attention within documents that learns, in float32: scores live as long as a few queries need them."""

from __future__ import annotations

import ctypes
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vl2.core.errors import VL2Error
from vl2.kernels.native import structs
from vl2.kernels.native.library import kernels, library

Lengths = tuple[tuple[int, ...], ...]  # of the documents of each row, in their order


def learns_attention(*parts: Tensor) -> bool:
    """Tell whether a gradient of these is wanted, on a CPU, in float32, and there are kernels for it."""
    return any(part.requires_grad for part in parts) and all(can_learn_like(part) for part in parts)


def can_learn_like(x: Tensor) -> bool:
    """Tell whether there are kernels for the device and the type of a tensor, where gradients may be wanted."""
    fits = torch.is_grad_enabled() and x.device.type == "cpu" and x.dtype == torch.float32
    return fits and library() is not None


def learned_attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float, *, lengths: Lengths, is_causal: bool
) -> Tensor:
    """Attend within documents. Query and key [B, H, T, Dh], value [B, H, T, Dv] -> [B, H, T, Dv].

    `lengths` of a row sum to T. Causal: a query looks back; else at its whole document. Raises VL2Error for other
    lengths or shapes.
    """
    batch, _, tokens, _ = query.shape
    if key.shape != query.shape or value.shape[:3] != query.shape[:3]:
        raise VL2Error("attention", "shapes do not fit", got=[list(part.shape) for part in (query, key, value)])
    if len(lengths) != batch or any(min(row) < 1 or sum(row) != tokens for row in lengths):
        raise VL2Error("documents", "do not fill the rows", got=lengths, expected=f"{batch} rows of {tokens} tokens")
    return _Attention.apply(query, key, value, scale, lengths, is_causal)  # type: ignore[no-any-return]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, lengths: Lengths, is_causal: bool
    ) -> Tensor:
        batch, heads, tokens = query.shape[:3]
        query, key, value = (part if part.stride(-1) == 1 else part.contiguous() for part in (query, key, value))
        documents = torch.tensor([
            (row, end - length, length)
            for row, parts in enumerate(lengths)
            for end, length in zip(accumulate(parts), parts, strict=True)
        ])  # fmt: skip
        out = query.new_empty(batch, tokens, heads, value.shape[-1])
        sums = query.new_empty(batch, heads, tokens, 2)
        kept = (query, key, value, documents, sums)
        kernels().vl2_attention_forward(ctypes.byref(_struct(kept, scale, is_causal, out)))
        ctx.save_for_backward(*kept)
        ctx.scale, ctx.is_causal = scale, is_causal
        return out.transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides the parameters' names
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        kept = ctx.saved_tensors
        came = gradients[0].transpose(1, 2).contiguous()  # [B, T, H, Dv]
        found = [torch.empty_like(part.transpose(1, 2), memory_format=torch.contiguous_format) for part in kept[:3]]
        rooms = structs.AttentionGradients(came.data_ptr(), *(room.data_ptr() for room in found))
        kernels().vl2_attention_backward(ctypes.byref(_struct(kept, ctx.scale, ctx.is_causal)), ctypes.byref(rooms))
        return (*(room.transpose(1, 2) for room in found), None, None, None)


def _struct(
    kept: tuple[Tensor, ...], scale: float, is_causal: bool, out: Tensor | None = None
) -> structs.LearnedAttention:
    """Return the structure; it holds addresses, so the tensors must live as long as the call takes."""
    query, key, value, documents, sums = kept
    strides = [(ctypes.c_int64 * 3)(*part.stride()[:3]) for part in (query, key, value)]
    return structs.LearnedAttention(
        query.data_ptr(), key.data_ptr(), value.data_ptr(), *strides, documents.data_ptr(), len(documents),
        query.shape[1], query.shape[2], query.shape[3], value.shape[3], scale, is_causal,
        None if out is None else out.data_ptr(), sums.data_ptr(),
    )  # fmt: skip
