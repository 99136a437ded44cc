"""The paper's three variants as toys: every choice of their language models kept, sizes small."""

from __future__ import annotations

from dataclasses import replace

from vl2.model import PRESETS, VL2Config


def toy_config(variant: str, *, experts: int = 8, vocab: int = 128) -> VL2Config:
    """Return a toy with the routing, attention and layers of `variant` and pocket's vision tower."""
    pocket, official = PRESETS["pocket"], PRESETS[variant].language_config
    sizes = dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 8 if official.use_mla else 0)
    language = replace(
        official, vocab_size=vocab, hidden_size=32, intermediate_size=48, moe_intermediate_size=16, num_hidden_layers=3,
        num_attention_heads=2, num_key_value_heads=2, n_shared_experts=1, n_routed_experts=experts,
        num_experts_per_tok=2, kv_lora_rank=16 if official.use_mla else None, **sizes,
    )  # fmt: skip
    vision = replace(pocket.vision_config, image_size=32, width=16, layers=2, heads=2, global_pool="map")
    return replace(
        pocket,
        vision_config=vision,
        projector_config=replace(pocket.projector_config, input_dim=16, n_embed=32),
        language_config=language,
        candidate_resolutions=((32, 32), (64, 32), (32, 64)),
    )
