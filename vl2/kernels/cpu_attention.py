"""Attention on a CPU, where fused attention under a mask is slower than two matrix products, in bfloat16 above all."""

from __future__ import annotations

from torch import Tensor

from vl2.kernels import reference
from vl2.kernels.native.learned_attention import learned_attention, learns_attention


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Equal to `reference.attention`; where patches learn to look at each other, without keeping their scores."""
    num_rows, num_tokens = query.shape[0], query.shape[2]
    if mask is None and key.shape[2] == num_tokens and learns_attention(query, key, value):
        return learned_attention(query, key, value, scale, lengths=((num_tokens,),) * num_rows, is_causal=False)
    return reference.attention(query, key, value, mask, scale)
