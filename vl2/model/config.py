"""The official configuration: every field with its class default, since config.json files omit those.

Field names are those of the official files. Source: model.md in the docs lists them beside the paper's Table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vl2.core.errors import ConfigError
from vl2.core.settings import build, load_json

# Fields that the official files carry and that change nothing here.
UNUSED_FIELDS = frozenset(
    "architectures auto_map lm_head rm_head torch_dtype dtype transformers_version model_type cls params _name_or_path "
    "ep_size initializer_range use_cache attention_dropout attention_bias pretraining_tp pad_token_id "
    "tie_word_embeddings seq_aux aux_loss_alpha return_dict output_hidden_states output_attentions".split()
)


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """Longer contexts: YaRN or linear position interpolation."""

    type: Literal["yarn", "linear"]
    factor: float
    original_max_position_embeddings: int = 4096
    beta_fast: float = 32
    beta_slow: float = 1
    mscale: float = 1
    mscale_all_dim: float = 0


@dataclass(frozen=True, kw_only=True)
class VisionConfig:
    """SigLIP-SO400M by default."""

    model_name: str = "siglip_large_patch16_384"
    image_size: int = 384
    patch_size: int = 16
    width: int = 1024
    layers: int = 24
    heads: int = 16
    mlp_ratio: float = 4.0
    global_pool: Literal["map", ""] = "map"
    ignore_head: bool = True
    class_token: bool = False
    num_classes: int = 0
    use_checkpoint: bool = False
    weight_init: str = "skip"
    deterministic: bool = False
    num_recomputing_layers: int = 0

    @property
    def patches_per_side(self) -> int:
        """Return the patches along one side of a tile; pixels beyond the last whole patch are not seen."""
        return self.image_size // self.patch_size


@dataclass(frozen=True, kw_only=True)
class AdaptorConfig:
    """Pixel shuffle and a two-layer MLP."""

    projector_type: Literal["downsample_mlp_gelu"] = "downsample_mlp_gelu"
    input_dim: int = 1152
    n_embed: int = 2048
    depth: int = 2
    mlp_ratio: int = 1
    downsample_ratio: int = 2
    token_pooling: bool = False


@dataclass(frozen=True, kw_only=True)
class LanguageConfig:
    """DeepSeekMoE with MLA, or MHA when `use_mla` is false."""

    vocab_size: int = 102400
    hidden_size: int = 4096
    intermediate_size: int = 11008
    moe_intermediate_size: int = 1407
    num_hidden_layers: int = 30
    num_attention_heads: int = 32
    num_key_value_heads: int | None = 32
    n_shared_experts: int | None = None
    n_routed_experts: int | None = None
    num_experts_per_tok: int | None = None
    moe_layer_freq: int = 1
    first_k_dense_replace: int = 0
    topk_method: Literal["gready", "greedy", "group_limited_greedy", "noaux_tc"] = "gready"
    scoring_func: Literal["softmax", "sigmoid"] = "softmax"
    n_group: int | None = None
    topk_group: int | None = None
    norm_topk_prob: bool = False
    routed_scaling_factor: float = 1.0
    kv_lora_rank: int | None = 512
    q_lora_rank: int | None = 1536
    qk_rope_head_dim: int = 64
    qk_nope_head_dim: int = 128
    v_head_dim: int = 128
    use_mla: bool = True
    hidden_act: Literal["silu"] = "silu"
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: RopeScaling | None = None
    bos_token_id: int = 100000
    eos_token_id: int = 100001

    @property
    def cache_width(self) -> int:
        """Return the numbers kept per token and layer: rank + rope dims (MLA) or all keys and values (MHA)."""
        if self.use_mla:
            return (self.kv_lora_rank or 0) + self.qk_rope_head_dim
        return 2 * self.hidden_size

    @property
    def cache_parts(self) -> tuple[int, ...]:
        """Return the sizes of what stands in an entry side by side: latent and rope key, or heads of one size."""
        if self.use_mla:
            return self.kv_lora_rank or 0, self.qk_rope_head_dim
        return (self.hidden_size // self.num_attention_heads,)

    def is_moe_layer(self, layer: int) -> bool:
        """Tell whether a layer routes to experts; the first layers are dense."""
        return (
            self.n_routed_experts is not None
            and layer >= self.first_k_dense_replace
            and layer % self.moe_layer_freq == 0
        )


@dataclass(frozen=True, kw_only=True)
class QuantizationConfig:
    """How the weights are stored that are quantised: bits, and columns that share a scale (vl2.kernels.quantized)."""

    quant_method: Literal["vl2"] = "vl2"
    bits: Literal[8, 4] = 8  # attention, MLPs and experts of the language model; never latent_up, latent_down in 8
    group: Literal[32, 64, 128] = 64
    vision_bits: Literal[8, 4] = 8  # vision tower and adaptor
    embedding_bits: Literal[8, 4] = 8
    head_bits: Literal[8, 4] = 8


@dataclass(frozen=True, kw_only=True)
class VL2Config:
    """The whole model."""

    vision_config: VisionConfig = field(default_factory=VisionConfig)
    projector_config: AdaptorConfig = field(default_factory=AdaptorConfig)
    language_config: LanguageConfig = field(default_factory=LanguageConfig)
    tile_tag: Literal["2D"] = "2D"
    global_view_pos: Literal["head"] = "head"
    candidate_resolutions: tuple[tuple[int, int], ...] = ((384, 384),)
    quantization_config: QuantizationConfig | None = None  # of stored weights, never of one that trains

    @property
    def tile_side(self) -> int:
        """Return the visual tokens along one side of a tile."""
        return -(-self.vision_config.patches_per_side // self.projector_config.downsample_ratio)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, thing: str = "config.json") -> VL2Config:
        """Build from an official mapping. Raises ConfigError on an unknown field or an impossible value."""
        config = build(cls, _without_unused(values), thing=thing)
        _check(config, thing)
        return config

    @classmethod
    def from_file(cls, path: str | Path) -> VL2Config:
        """Read an official config.json. Raises ConfigError when there is none or it is no JSON object."""
        return cls.from_dict(load_json(path), thing=str(path))


def _without_unused(values: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the unused fields, also in the three parts, and fields spelled out as null."""
    kept = {k: v for k, v in values.items() if k not in UNUSED_FIELDS}
    return {k: _without_unused(v) if isinstance(v, Mapping) else v for k, v in kept.items()} if kept else {}


def _check_routing(language: LanguageConfig, thing: str) -> None:
    experts, chosen = language.n_routed_experts, language.num_experts_per_tok
    if experts is None:
        return
    if chosen is None or not 1 <= chosen <= experts:
        raise ConfigError(thing, "num_experts_per_tok is out of range", got=chosen, expected=f"1 to {experts}")
    groups, kept = language.n_group or 1, language.topk_group or 1
    if groups < 1 or experts % groups or not 1 <= kept <= groups:
        raise ConfigError(
            thing, "experts do not divide into groups", got=f"n_group {groups}, topk_group {kept}",
            expected=f"a divisor of {experts}, and no more than it",
        )  # fmt: skip


def _check(config: VL2Config, thing: str) -> None:
    language, vision = config.language_config, config.vision_config
    if language.n_routed_experts is not None and language.topk_method == "gready":
        raise ConfigError(thing, "topk_method is the class default 'gready', which routes nowhere", expected="greedy")
    _check_routing(language, thing)
    if config.projector_config.n_embed != language.hidden_size:
        raise ConfigError(
            thing,
            "adaptor and language model differ in width",
            got=config.projector_config.n_embed,
            expected=language.hidden_size,
            do="Use the config.json that belongs to the weights.",
        )
    if config.projector_config.input_dim != vision.width:
        raise ConfigError(
            thing,
            "adaptor and vision tower differ in width",
            got=config.projector_config.input_dim,
            expected=vision.width,
            do="Use the config.json that belongs to the weights.",
        )
    if language.num_key_value_heads not in (None, language.num_attention_heads):
        raise ConfigError(
            thing,
            "grouped key heads are not part of this model",
            got=language.num_key_value_heads,
            expected=language.num_attention_heads,
        )
    for width, height in config.candidate_resolutions:
        if width % vision.image_size or height % vision.image_size or not width or not height:
            raise ConfigError(
                thing,
                "candidate resolution is no multiple of the tile",
                got=(width, height),
                expected=f"multiples of {vision.image_size}",
            )
