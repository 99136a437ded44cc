"""RMSNorm as the official language model computes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Normalise in float32, cast back, then scale in the model's dtype."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return x [.., D] with root mean square 1, times the weight."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        normal = x * torch.rsqrt(length.square() / x.shape[-1] + self.eps)  # float32
        return self.weight * normal.to(x.dtype)
