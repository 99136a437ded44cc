"""The seam between the model and the ways to compute its hot operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from vl2.kernels import cpu_attention, documents, grouped, quantized, reference, sdpa, sorted_experts
from vl2.kernels.documents import Documents
from vl2.kernels.quantized import QuantizedTensor

AttentionBackend = Callable[[Tensor, Tensor, Tensor, Tensor | None, float], Tensor]
DocumentAttentionBackend = Callable[[Tensor, Tensor, Tensor, Documents, float], Tensor]
LatentAttentionBackend = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor | None, float], Tensor]
ExpertBackend = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
QuantizedExpertBackend = Callable[[Tensor, Tensor, Tensor, QuantizedTensor, QuantizedTensor, QuantizedTensor], Tensor]
QuantizedLinearBackend = Callable[[Tensor, QuantizedTensor, Tensor | None], Tensor]


@dataclass(frozen=True, kw_only=True)
class Backends:
    """One function for each hot operation; contracts stand in `reference`, `documents`, `quantized` and `grouped`."""

    attention: AttentionBackend = reference.attention
    document_attention: DocumentAttentionBackend | None = None  # None: `attention` under a mask, however long the rows
    latent_attention: LatentAttentionBackend = reference.latent_attention
    experts: ExpertBackend = reference.routed_experts
    quantized_experts: QuantizedExpertBackend = grouped.quantized_experts
    quantized_linear: QuantizedLinearBackend = quantized.quantized_linear
    is_capturable: bool = False  # True when nothing here waits for the host, as a CUDA graph demands

    @classmethod
    def best(cls, device: torch.device | str = "cpu") -> Backends:
        """Choose the fastest correct kernels for a device."""
        kind = torch.device(device).type
        if kind == "cpu":
            return cls(
                attention=cpu_attention.attention,
                document_attention=documents.attention,
                experts=sorted_experts.routed_experts,
            )
        if kind == "cuda" and find_spec("triton"):
            from vl2.kernels import triton_experts, triton_latent, triton_quantized

            return cls(
                attention=sdpa.attention,
                document_attention=documents.attention,
                latent_attention=triton_latent.latent_attention,
                experts=triton_experts.routed_experts,
                quantized_experts=triton_experts.routed_experts,
                quantized_linear=triton_quantized.quantized_linear,
                is_capturable=True,
            )
        return cls(
            attention=sdpa.attention,
            document_attention=documents.attention,
            experts=sorted_experts.routed_experts,
        )


@cache
def backends_of(kind: str) -> Backends:
    """Return `Backends.best` of a kind of device, chosen once: for layers that stand in the place of PyTorch's own."""
    return Backends.best(kind)
