"""Routed experts with each expert's tokens in one matrix product: no expert sees a token that did not choose it."""

from __future__ import annotations

import torch
from torch import Tensor

from vl2.kernels.reference import swiglu


def routed_experts(x: Tensor, topk_ids: Tensor, topk_weights: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Equal to `reference.routed_experts`; costs K experts a token instead of E."""
    num_experts, top_k = gate.shape[0], topk_ids.shape[1]
    order = topk_ids.flatten().argsort(stable=True)  # [N*K]
    counts = topk_ids.flatten().bincount(minlength=num_experts).tolist()
    token = order // top_k  # [N*K]
    pieces = x.index_select(0, token).split(counts)
    outputs = [
        swiglu(piece, gate[expert], up[expert], down[expert])
        for expert, piece in enumerate(pieces)
        if len(piece)  # most experts are idle in a decode step; an empty product still costs a call
    ]
    weighted = torch.cat(outputs).float() * topk_weights.flatten()[order, None]  # [N*K, D]
    total = torch.zeros(x.shape, dtype=torch.float32, device=x.device)  # [N, D]
    return total.index_add(0, token, weighted).to(x.dtype)  # [N, D]
