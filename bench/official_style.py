"""The baseline: plain PyTorch in the style of the released code, in bfloat16, of a preset with MHA (tiny).

One nn.Linear a projection, experts in a Python loop over sorted tokens, fused attention, a key and value cache that
torch.cat grows, and a ViT of nn.Linear. Parameter names are the official keys, so that a checkpoint loads as it is:
tests/cli/test_bench_baseline.py holds it equal to the model. Run by `vl2 bench --baseline`, it answers requests on
stdin with timings on stdout: `python bench/official_style.py tiny --threads 2`.
"""

from __future__ import annotations

import argparse
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl2.cli.bench_rival import answer_requests
from vl2.cli.bench_weights import fill_random
from vl2.core.errors import VL2Error
from vl2.model import PRESETS, VL2Config
from vl2.model.config import LanguageConfig, VisionConfig

Cache = list[tuple[Tensor, Tensor]]  # keys and values [B, H, S, Dh] of each layer
VISION_EPS = 1e-6


class RMSNorm(nn.Module):
    """Normalise in float32."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., D]."""
        wide = x.float()
        normal = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * normal.to(x.dtype)


class Attention(nn.Module):
    """MHA with rotary positions."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.head_dim = config.num_attention_heads, width // config.num_attention_heads
        self.theta, self.max_positions = config.rope_theta, config.max_position_embeddings
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return [B, T, D] and the keys and values so far; T is 1 behind a past."""
        num_past = 0 if past is None else past[0].shape[2]
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)  # [B, H, T, Dh]
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        cos, sin = (part[num_past : num_past + x.shape[1]] for part in self._table(x.dtype))  # [T, Dh]
        query = query * cos + turned(query) * sin
        key = key * cos + turned(key) * sin
        if past is not None:
            key, value = torch.cat((past[0], key), dim=2), torch.cat((past[1], value), dim=2)
        out = F.scaled_dot_product_attention(query, key, value, is_causal=past is None and x.shape[1] > 1)
        return self.o_proj(out.transpose(1, 2).flatten(2)), (key, value)

    def _table(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        return rope_table(self.max_positions, self.head_dim, self.theta, dtype)


@cache
def rope_table(length: int, head_dim: int, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosines and sines [length, Dh], made once."""
    frequencies = theta ** -(torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies).repeat(1, 2)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def turned(x: Tensor) -> Tensor:
    """Return the other member of each rotary pair, [.., Dh]."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


class MLP(nn.Module):
    """SwiGLU, of a dense layer or of one expert."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., D]."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class MoE(nn.Module):
    """Experts one after the other, each on its share of the sorted tokens."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        width, hidden, experts = config.hidden_size, config.moe_intermediate_size, config.n_routed_experts or 0
        self.top_k = config.num_experts_per_tok or 0
        self.gate = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(MLP(width, hidden) for _ in range(experts))
        self.shared_experts = MLP(width, hidden * (config.n_shared_experts or 0))

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, T, D]."""
        flat = x.flatten(0, 1)  # [N, D]
        scores = F.linear(flat.float(), self.gate.weight.float()).softmax(-1)  # [N, E]
        weights, chosen = scores.topk(self.top_k, dim=-1, sorted=False)  # [N, K]
        order = chosen.flatten().argsort()  # [N*K]
        counts = chosen.flatten().bincount(minlength=len(self.experts)).tolist()
        shares = flat[order // self.top_k].split(counts)
        outputs = [self.experts[expert](share) for expert, share in enumerate(shares) if len(share)]
        placed = torch.empty(len(order), x.shape[-1], dtype=x.dtype)  # [N*K, D]
        placed[order] = torch.cat(outputs)
        mixed = (placed.unflatten(0, (-1, self.top_k)).float() * weights[..., None]).sum(1)  # [N, D]
        return mixed.to(x.dtype).view_as(x) + self.shared_experts(x)


class DecoderLayer(nn.Module):
    """Attention, then experts or a dense MLP."""

    def __init__(self, config: LanguageConfig, layer: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.input_layernorm = RMSNorm(width, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(width, config.rms_norm_eps)
        self.mlp = MoE(config) if config.is_moe_layer(layer) else MLP(width, config.intermediate_size)

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return [B, T, D] and the keys and values so far."""
        attended, now = self.self_attn(self.input_layernorm(x), past)
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x)), now


class Decoder(nn.Module):
    """Embeddings, layers and the last norm."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class CausalLanguageModel(nn.Module):
    """Token ids to logits."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        if config.use_mla:
            raise VL2Error(
                "baseline", "is written for MHA only", expected="the preset tiny", do="Leave --baseline out."
            )
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    @torch.inference_mode()
    def forward(self, ids: Tensor, past: Cache | None = None) -> tuple[Tensor, Cache]:
        """Return the logits [B, V] of the last of the tokens [B, T], and the cache so far."""
        x, grown = self.model.embed_tokens(ids), []
        for number, layer in enumerate(self.model.layers):
            x, now = layer(x, None if past is None else past[number])
            grown.append(now)
        return self.lm_head(self.model.norm(x[:, -1])).float(), grown


class VisionBlock(nn.Module):
    """One pre-norm block of the ViT."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width, hidden = config.width, int(config.width * config.mlp_ratio)
        self.heads = config.heads
        self.norm1 = nn.LayerNorm(width, eps=VISION_EPS)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.norm2 = nn.LayerNorm(width, eps=VISION_EPS)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, P, C]."""
        qkv = self.attn["qkv"](self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])  # [N, H, P, Dh]
        x = x + self.attn["proj"](attended.transpose(1, 2).flatten(2))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x)), approximate="tanh"))


class VisionTower(nn.Module):
    """Tiles to patch features."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        patch = nn.Conv2d(3, config.width, config.patch_size, stride=config.patch_size)
        self.patch_embed = nn.ModuleDict({"proj": patch})
        self.pos_embed = nn.Parameter(torch.zeros(1, config.patches_per_side**2, config.width))
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=VISION_EPS)

    @torch.inference_mode()
    def forward(self, tiles: Tensor) -> Tensor:
        """Return [N, P, C] for tiles [N, 3, S, S]."""
        x = self.patch_embed["proj"](tiles.to(self.pos_embed.dtype)).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class OfficialStyle(nn.Module):
    """Both towers, and what a contender of the bench does."""

    def __init__(self, config: VL2Config) -> None:
        super().__init__()
        self.path = self.vision_path = "PyTorch in the style of the released code, bf16"
        self.heads = config.language_config.num_attention_heads
        self.vision = VisionTower(config.vision_config)
        self.language = CausalLanguageModel(config.language_config)
        self._past: Cache | None = None

    def prefill(self, ids: Tensor) -> Tensor:
        """Return the logits [1, V] behind a prompt [T]."""
        return self.language(ids[None])[0]

    def hold(self, batch: int, context: int, room: int) -> None:
        """Hold a cache of random keys and values; torch.cat makes the room."""
        weight = self.language.lm_head.weight
        shape = (batch, self.heads, context, weight.shape[1] // self.heads)
        num_layers = len(self.language.model.layers)
        self._cache = [
            (torch.randn(shape, dtype=weight.dtype), torch.randn(shape, dtype=weight.dtype)) for _ in range(num_layers)
        ]

    def decode(self, ids: Tensor) -> Tensor:
        """Return the logits [B, V] behind one more token [B] of each sequence."""
        logits, self._cache = self.language(ids[:, None], self._cache)
        return logits


def main() -> None:
    """Build the model of random weights and answer requests until the end of the input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = PRESETS[arguments.preset]
    with torch.device("meta"):
        model = OfficialStyle(config).to(torch.bfloat16)
    answer_requests(
        fill_random(model, router=".mlp.gate.weight").eval(),
        tile_size=config.vision_config.image_size,
        vocab_size=config.language_config.vocab_size,
    )


if __name__ == "__main__":
    main()
