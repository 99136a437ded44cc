"""The SigLIP vision tower: a plain pre-norm ViT without class token (paper, section 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl2.kernels import Backends
from vl2.model.config import VisionConfig

NORM_EPS = 1e-6


class VisionAttention(nn.Module):
    """Full attention among the patches of one tile."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.scale = (config.width // config.heads) ** -0.5
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, backends: Backends) -> Tensor:
        """Return [N, P, C] for x [N, P, C]."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [3, N, H, P, Dh]
        out = backends.attention(qkv[0], qkv[1], qkv[2], None, self.scale)  # [N, H, P, Dh]
        return self.output(out.transpose(1, 2).flatten(2))  # [N, P, C]


class VisionMLP(nn.Module):
    """Two layers with tanh-GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., C] for x [.., C]."""
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class VisionBlock(nn.Module):
    """Attention and MLP, each on a normalised residual stream."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.attention = VisionAttention(config)
        self.mlp_norm = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.mlp = VisionMLP(config.width, int(config.width * config.mlp_ratio))

    def forward(self, x: Tensor, backends: Backends) -> Tensor:
        """Return [N, P, C] for x [N, P, C]."""
        x = x + self.attention(self.attention_norm(x), backends)  # [N, P, C]
        return x + self.mlp(self.mlp_norm(x))  # [N, P, C]


class AttentionPool(nn.Module):
    """SigLIP's pooling head. The checkpoints hold it; the model never runs it."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width = config.width
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = VisionMLP(width, int(width * config.mlp_ratio))


class VisionTower(nn.Module):
    """Tiles to patch features."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = nn.Conv2d(3, config.width, config.patch_size, stride=config.patch_size)
        self.pos_embed = nn.Parameter(torch.randn(1, config.patches_per_side**2, config.width) * 0.02)
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.attention_pool = AttentionPool(config) if config.global_pool == "map" else None

    def forward(self, tiles: Tensor, backends: Backends) -> Tensor:
        """Return patch features [N, P, C] for tiles [N, 3, S, S] in -1..1, after the final norm."""
        x = self.embed(tiles)  # [N, P, C]
        for block in self.blocks:
            x = block(x, backends)  # [N, P, C]
        return self.norm(x)  # [N, P, C]

    def embed(self, tiles: Tensor) -> Tensor:
        """Return what the first block reads, patches with their positions [N, P, C], for tiles [N, 3, S, S]."""
        x = self.patch_embed(tiles.to(self.pos_embed.dtype)).flatten(2).transpose(1, 2)  # [N, P, C]
        return x + self.pos_embed  # [N, P, C]
