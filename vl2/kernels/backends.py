"""The seam between the model and the ways to compute its hot operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from vl2.kernels import grouped, reference, sdpa

AttentionBackend = Callable[[Tensor, Tensor, Tensor, Tensor | None, float], Tensor]
LatentAttentionBackend = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor | None, float], Tensor]
ExpertBackend = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Backends:
    """One function for each hot operation; their contracts stand in `reference`."""

    attention: AttentionBackend = reference.attention
    latent_attention: LatentAttentionBackend = reference.latent_attention
    experts: ExpertBackend = reference.routed_experts

    @classmethod
    def best(cls, device: torch.device | str = "cpu") -> Backends:
        """Choose the fastest correct kernels for a device."""
        kind = torch.device(device).type
        if kind == "cpu":
            # On a CPU the fused attention is slower than two matrix products, in bfloat16 and backward above all.
            return cls(experts=grouped.routed_experts)
        if kind == "cuda" and find_spec("triton"):
            from vl2.kernels import triton_experts, triton_latent

            return cls(
                attention=sdpa.attention,
                latent_attention=triton_latent.latent_attention,
                experts=triton_experts.routed_experts,
            )
        return cls(attention=sdpa.attention, experts=grouped.routed_experts)
