"""Routed experts whose weights are no plain tensors: each expert gets the tokens that chose it, in one call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vl2.kernels.quantized import QuantizedTensor, quantized_swiglu

# Larger shares are filled up to a multiple of this. Every new size costs a matrix product about a millisecond on a
# CPU, and shares differ in every step; so a few sizes occur again and again.
SHARE_STEP = 64


def quantized_experts(
    x: Tensor,
    topk_ids: Tensor,
    topk_weights: Tensor,
    gate: QuantizedTensor,
    up: QuantizedTensor,
    down: QuantizedTensor,
) -> Tensor:
    """Equal to `reference.routed_experts` with the dequantised weights; one expert at a time is in memory."""

    def run(expert: int, share: Tensor) -> Tensor:
        return quantized_swiglu(share, gate[expert], up[expert], down[expert])

    return sum_experts(x, topk_ids, topk_weights, gate.shape[0], run)


def sum_experts(
    x: Tensor, topk_ids: Tensor, topk_weights: Tensor, num_experts: int, run: Callable[[int, Tensor], Tensor]
) -> Tensor:
    """Sum by weight what `run(expert, its tokens)` returns, in float32, cast back to x's dtype. Returns [N, D]."""
    top_k = topk_ids.shape[1]
    order = topk_ids.flatten().argsort(stable=True)  # [N*K]
    counts = topk_ids.flatten().bincount(minlength=num_experts).tolist()
    pieces = x.index_select(0, order // top_k).split(counts)
    outputs = [
        _fill_up_and_run(run, expert, piece)
        for expert, piece in enumerate(pieces)
        if len(piece)  # most experts are idle in a decode step; an empty product still costs a call
    ]
    weighted = torch.cat(outputs).float() * topk_weights.flatten()[order, None]  # [N*K, D]
    total = torch.zeros(x.shape, dtype=torch.float32, device=x.device)  # [N, D]
    return total.index_add(0, order // top_k, weighted).to(x.dtype)  # [N, D]


def _fill_up_and_run(run: Callable[[int, Tensor], Tensor], expert: int, piece: Tensor) -> Tensor:
    """Run one expert on its tokens, filled up with zeros to a size that occurs often."""
    num_tokens = len(piece)
    missing = -num_tokens % SHARE_STEP if num_tokens > SHARE_STEP else 0
    if not missing:
        return run(expert, piece)
    filled = torch.cat((piece, piece.new_zeros(missing, piece.shape[1])))
    return run(expert, filled)[:num_tokens]
