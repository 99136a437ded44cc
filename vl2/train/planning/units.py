"""Units: what a pipeline may be cut between, with the FLOPs and parameters of each, from the configuration alone.

A matrix product of M x N with N x K counts 2 * M * N * K. Letters as in the legend; P patches of a tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from vl2.model.config import AdaptorConfig, LanguageConfig, VisionConfig, VL2Config

UnitKind = Literal["block", "adaptor", "embedding", "layer", "head"]
FlopPart = Literal["vision", "adaptor", "attention", "scores", "dense", "experts", "head"]


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What one forward pass sees, on average."""

    tokens: float  # visual ones included
    tiles: float
    keys: float  # that a token looks at, itself included
    learned: float  # tokens whose next one is learned: logits are computed for these alone

    def times(self, factor: float) -> Traffic:
        """Return so many times the traffic; each token looks at as many keys as before."""
        return Traffic(
            tokens=self.tokens * factor, tiles=self.tiles * factor, keys=self.keys, learned=self.learned * factor
        )


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One vision block, the adaptor, the embedding, one language layer, or the head."""

    kind: UnitKind
    index: int
    dense_params: int
    expert_params: int = 0  # of routed experts, which ep divides
    tile_flops: float = 0.0
    token_flops: tuple[tuple[FlopPart, float], ...] = ()
    key_flops: float = 0.0  # a token and key: scores and their sums
    learned_flops: float = 0.0

    @property
    def name(self) -> str:
        """Return a name for people."""
        return self.kind if self.kind in ("adaptor", "embedding", "head") else f"{self.kind} {self.index}"

    @property
    def is_vision(self) -> bool:
        """Tell whether it computes on tiles."""
        return self.kind in ("block", "adaptor")

    def forward_flops(self, traffic: Traffic) -> dict[FlopPart, float]:
        """Return the FLOPs of a forward pass by part."""
        found: dict[FlopPart, float] = {part: flops * traffic.tokens for part, flops in self.token_flops}
        if self.tile_flops:
            found["vision" if self.kind == "block" else "adaptor"] = self.tile_flops * traffic.tiles
        if self.key_flops:
            found["scores"] = self.key_flops * traffic.tokens * traffic.keys
        if self.learned_flops:
            found["head"] = self.learned_flops * traffic.learned
        return found


@lru_cache(maxsize=16)
def units_of(config: VL2Config) -> tuple[Unit, ...]:
    """Return all units in the order of computation."""
    vision, language = config.vision_config, config.language_config
    width = language.hidden_size
    return (
        *(_block(vision, index) for index in range(vision.layers)),
        _adaptor(config.projector_config, config.tile_side**2),
        Unit(kind="embedding", index=0, dense_params=language.vocab_size * width),
        *(_layer(language, index) for index in range(language.num_hidden_layers)),
        Unit(
            kind="head", index=0, dense_params=language.vocab_size * width + width,
            learned_flops=2.0 * language.vocab_size * width,
        ),
    )  # fmt: skip


def _block(config: VisionConfig, index: int) -> Unit:
    """Return a block; the first has the patch embedding, the last the final norm and the unused pooling head."""
    width, hidden, patches = config.width, int(config.width * config.mlp_ratio), config.patches_per_side**2
    matrices = 4 * width**2 + 2 * width * hidden
    params = matrices + 9 * width + hidden  # biases of attention and MLP, two norms
    flops = 2.0 * patches * matrices + 4.0 * patches**2 * width
    if index == 0:
        pixels = 3 * config.patch_size**2
        params += pixels * width + width + patches * width
        flops += 2.0 * patches * pixels * width
    if index == config.layers - 1:
        params += 2 * width
        if config.global_pool == "map":
            params += 4 * width**2 + 2 * width * hidden + 8 * width + hidden
    return Unit(kind="block", index=index, dense_params=params, tile_flops=flops)


def _adaptor(config: AdaptorConfig, tokens_of_tile: int) -> Unit:
    hidden = config.n_embed * config.mlp_ratio
    sizes = [config.input_dim * config.downsample_ratio**2] + [hidden] * (config.depth - 1) + [config.n_embed]
    matrices = sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
    params = matrices + sum(sizes[1:]) + 2 * config.n_embed  # biases, tile_newline, view_separator
    return Unit(kind="adaptor", index=0, dense_params=params, tile_flops=2.0 * tokens_of_tile * matrices)


def _layer(config: LanguageConfig, index: int) -> Unit:
    attention, norms, head_dims = _attention(config)
    width = config.hidden_size
    key_flops = 2.0 * config.num_attention_heads * head_dims
    if not config.is_moe_layer(index):
        dense = 3 * width * config.intermediate_size
        return Unit(
            kind="layer",
            index=index,
            dense_params=attention + norms + dense,
            token_flops=(("attention", 2.0 * attention), ("dense", 2.0 * dense)),
            key_flops=key_flops,
        )
    experts, top_k = config.n_routed_experts or 0, config.num_experts_per_tok or 0
    expert = 3 * width * config.moe_intermediate_size
    shared, router = (config.n_shared_experts or 0) * expert, experts * width
    bias = experts if config.topk_method == "noaux_tc" else 0
    return Unit(
        kind="layer",
        index=index,
        dense_params=attention + norms + shared + router + bias,
        expert_params=experts * expert,
        token_flops=(("attention", 2.0 * attention), ("experts", 2.0 * (top_k * expert + shared + router))),
        key_flops=key_flops,
    )


def _attention(config: LanguageConfig) -> tuple[int, int, int]:
    """Return the weights of the matrices and of the norms, and the numbers of a head's key and value together."""
    width, heads = config.hidden_size, config.num_attention_heads
    if not config.use_mla:
        return 4 * width**2, 2 * width, 2 * width // heads
    rank, nope, rope, value = (
        config.kv_lora_rank or 0, config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
    )  # fmt: skip
    query = heads * (nope + rope)
    latent_query = config.q_lora_rank or 0
    query_weights = latent_query * (width + query) if latent_query else width * query
    matrices = query_weights + width * (rank + rope) + rank * heads * (nope + value) + heads * value * width
    return matrices, 2 * width + rank + latent_query, nope + rope + value
