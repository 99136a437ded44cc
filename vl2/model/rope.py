"""Rotary positions: tables with YaRN or linear scaling, and the two layouts of the official models."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vl2.model.config import RopeScaling


def inverse_frequencies(dim: int, theta: float, scaling: RopeScaling | None) -> Tensor:
    """Return [dim/2] float32 angles per position."""
    plain = theta ** -(torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    if scaling is None:
        return plain
    if scaling.type == "linear":
        return plain / scaling.factor
    low, high = _yarn_range(dim, theta, scaling)
    ramp = ((torch.arange(dim // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    return plain / scaling.factor * ramp + plain * (1 - ramp)


def table_scale(scaling: RopeScaling | None) -> float:
    """Return the factor on cosines and sines (YaRN's mscale correction)."""
    if scaling is None or scaling.type != "yarn":
        return 1.0
    return _mscale(scaling.factor, scaling.mscale) / _mscale(scaling.factor, scaling.mscale_all_dim)


def softmax_scale(query_dim: int, scaling: RopeScaling | None) -> float:
    """Return the attention scale; YaRN's mscale_all_dim enters squared."""
    scale = query_dim**-0.5
    if scaling is not None and scaling.type == "yarn" and scaling.mscale_all_dim:
        scale *= _mscale(scaling.factor, scaling.mscale_all_dim) ** 2
    return scale


def rope_table(positions: Tensor, frequencies: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Return cosines and sines [B, 1, T, Dr] in float32 for positions [B, T]."""
    # float32: bf16 tells only 769 positions apart below 4096
    angles = positions[:, None, :, None].float() * frequencies.float()  # [B, 1, T, Dr/2]
    angles = torch.cat((angles, angles), dim=-1)  # [B, 1, T, Dr]
    return angles.cos() * scale, angles.sin() * scale


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate [B, H, T, Dr] in the half layout: dimension i pairs with i + Dr/2."""
    cos, sin = (part.to(x.dtype) for part in table)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin  # [B, .., T, Dr]


def deinterleave(x: Tensor) -> Tensor:
    """Bring the interleaved layout (pairs 2i, 2i+1) into the half layout; shape is kept."""
    return torch.cat((x[..., 0::2], x[..., 1::2]), dim=-1)


def _mscale(factor: float, mscale: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1.0


def _yarn_range(dim: int, theta: float, scaling: RopeScaling) -> tuple[float, float]:
    """Return the first and last frequency that is blended between plain and interpolated."""

    def dimension(rotations: float) -> float:
        turns = scaling.original_max_position_embeddings / (rotations * 2 * math.pi)
        return dim * math.log(turns) / (2 * math.log(theta))

    low = max(math.floor(dimension(scaling.beta_fast)), 0)
    high = min(math.ceil(dimension(scaling.beta_slow)), dim - 1)
    return low, high if high != low else high + 0.001  # a zero width would divide by zero
