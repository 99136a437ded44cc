"""The specification of every hot operation, in plain PyTorch. Other kernels must equal these functions.

Letters: B batch, T tokens, S cached tokens, D width, H heads, Dh head dim, Dv value dim, R latent rank, Dr rope dim,
E experts, K top-k, F hidden, N tokens of all rows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Attend. Query [B, H, T, Dh], key [B, H, S, Dh], value [B, H, S, Dv] -> [B, H, T, Dv].

    `mask` [B, 1, T, S] is added to the scores: 0 where a query may look, -inf elsewhere, never -inf for all keys;
    None lets every query see every key. Softmax sums in float32, whatever the dtype.
    """
    scores = (query * scale) @ key.transpose(-2, -1)  # [B, H, T, S]
    return _weights(scores, mask) @ value  # [B, H, T, Dv]


def latent_attention(
    query: Tensor, query_rope: Tensor, latent: Tensor, rope_key: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """Attend over latents without expanding them (absorbed form of MLA).

    Query [B, H, T, R] is already in latent space, query_rope [B, H, T, Dr], latent [B, S, R], rope_key [B, S, Dr],
    mask as in `attention`. Returns [B, H, T, R], still in latent space.
    """
    scores = (query * scale) @ latent[:, None].transpose(-2, -1)  # [B, H, T, S]
    scores = scores + (query_rope * scale) @ rope_key[:, None].transpose(-2, -1)  # [B, H, T, S]
    return _weights(scores, mask) @ latent[:, None]  # [B, H, T, R]


def routed_experts(x: Tensor, topk_ids: Tensor, topk_weights: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Sum the chosen experts' SwiGLU outputs by weight, in float32, cast back to x's dtype.

    x [N, D], topk_ids [N, K], topk_weights [N, K] float32, gate and up [E, F, D], down [E, D, F]. Returns [N, D].
    """
    total = torch.zeros(x.shape, dtype=torch.float32, device=x.device)  # [N, D]
    for expert in range(gate.shape[0]):
        weight = (topk_weights * (topk_ids == expert)).sum(-1, keepdim=True)  # [N, 1]
        total = total + weight * swiglu(x, gate[expert], up[expert], down[expert]).float()  # [N, D]
    return total.to(x.dtype)  # [N, D]


def swiglu(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Apply one gated MLP. x [N, D], gate and up [F, D], down [D, F]. Returns [N, D]."""
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)  # [N, D]


def _weights(scores: Tensor, mask: Tensor | None) -> Tensor:
    return torch.softmax(scores if mask is None else scores + mask, dim=-1)
