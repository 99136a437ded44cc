"""Activations: the bytes that autograd keeps of a unit until its backward pass, with fused attention.

What each line counts is saved once by our own layers; tests/train/planning/test_memory.py holds it against what
autograd really saves. i are the bytes of a number in the computation's type.
"""

from __future__ import annotations

from vl2.model.config import LanguageConfig, VL2Config
from vl2.train.planning.units import Traffic, Unit

FLOAT32, INT64 = 4, 8


def kept_bytes(unit: Unit, config: VL2Config, traffic: Traffic, item_size: int) -> float:
    """Return the bytes that a unit keeps of a microbatch when nothing is computed again."""
    vision, language = config.vision_config, config.language_config
    match unit.kind:
        case "block":
            hidden, heads = int(vision.width * vision.mlp_ratio), vision.heads
            # two norms and what they give, query, key, value, output; the MLP before and after GELU
            patch = (8 * vision.width + 2 * hidden + 4) * item_size + heads * FLOAT32
            return traffic.tiles * vision.patches_per_side**2 * patch
        case "adaptor":
            shuffled = vision.width * config.projector_config.downsample_ratio**2
            return traffic.tiles * config.tile_side**2 * (shuffled + 2 * language.hidden_size) * item_size
        case "embedding":
            return traffic.tokens * INT64
        case "head":
            return traffic.learned * language.hidden_size * item_size
        case "layer":
            return traffic.tokens * _layer_token(language, unit.index, item_size)


def input_bytes(unit: Unit, config: VL2Config, traffic: Traffic, item_size: int) -> float:
    """Return the bytes that go into a unit: all that recompute keeps of it."""
    if unit.is_vision:
        return traffic.tiles * config.vision_config.patches_per_side**2 * config.vision_config.width * item_size
    if unit.kind == "layer":
        return traffic.tokens * config.language_config.hidden_size * item_size
    return kept_bytes(unit, config, traffic, item_size)


def logits_bytes(config: VL2Config, traffic: Traffic, item_size: int) -> float:
    """Return the peak of the loss: logits, in float32 too, and their gradient."""
    return traffic.learned * config.language_config.vocab_size * (item_size + 2 * FLOAT32)


def _layer_token(config: LanguageConfig, index: int, item_size: int) -> float:
    """Return the bytes a token of one language layer."""
    width = config.hidden_size
    numbers = 6 * width + _attention_numbers(config)  # around: two norms, before, within and after
    rotated = config.qk_rope_head_dim if config.use_mla else width // config.num_attention_heads
    tables = 4 * rotated * item_size if item_size < FLOAT32 else 0  # of the rotation, cast for query and key
    extra = (config.num_attention_heads + 4) * FLOAT32 + tables  # of the fused softmax and two norms
    if not config.is_moe_layer(index):
        return (numbers + 4 * config.intermediate_size) * item_size + extra
    top_k, hidden = config.num_experts_per_tok or 0, config.moe_intermediate_size
    shared = (config.n_shared_experts or 0) * hidden
    routed = top_k * 2 * hidden  # what gate and up gave; their input is there, the rest is computed again
    router = (width + (config.n_routed_experts or 0)) * FLOAT32 + top_k * INT64
    return (numbers + routed + 4 * shared) * item_size + router + extra


def _attention_numbers(config: LanguageConfig) -> int:
    """Return what attention keeps a token: query, key, value, output, and the latent before and after its norm."""
    if not config.use_mla:
        return 4 * config.hidden_size
    heads, rank = config.num_attention_heads, config.kv_lora_rank or 0
    nope, rope, value = config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
    return heads * (2 * (nope + rope) + (nope + value) + value) + 3 * rank + rope
