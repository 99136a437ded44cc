"""What the released config.json files say; every other field is left to the class default."""

from __future__ import annotations

from typing import Any

_NOISE = {"architectures": ["DeepseekV2ForCausalLM"], "auto_map": {"AutoConfig": "x"}, "torch_dtype": "bfloat16"}
_VISION = {
    "layers": 27, "mlp_ratio": 3.7362, "model_name": "siglip_so400m_patch14_384", "model_type": "vision",
    "patch_size": 14, "width": 1152,
}  # fmt: skip


def _official(n_embed: int, **language: Any) -> dict[str, Any]:
    return {
        "global_view_pos": "head",
        "tile_tag": "2D",
        "model_type": "deepseek_vl_v2",
        "transformers_version": "4.38.2",
        "vision_config": _VISION,
        "projector_config": {"model_type": "mlp_projector", "n_embed": n_embed},
        "language_config": {**_NOISE, "model_type": "deepseek_v2", **language},
    }


OFFICIAL_FIELDS: dict[str, dict[str, Any]] = {
    "tiny": _official(
        1280, bos_token_id=0, eos_token_id=1, first_k_dense_replace=1, hidden_size=1280, intermediate_size=6848,
        kv_lora_rank=None, lm_head=True, max_position_embeddings=4096, moe_intermediate_size=896, n_group=1,
        n_routed_experts=64, n_shared_experts=2, num_attention_heads=10, num_experts_per_tok=6, num_hidden_layers=12,
        num_key_value_heads=10, q_lora_rank=None, qk_nope_head_dim=0, qk_rope_head_dim=0, rm_head=False, topk_group=1,
        topk_method="greedy", use_mla=False, v_head_dim=0, vocab_size=129280,
    ),
    "small": _official(
        2048, first_k_dense_replace=1, hidden_size=2048, intermediate_size=10944, lm_head=True,
        max_position_embeddings=4096, moe_intermediate_size=1408, n_group=1, n_routed_experts=64, n_shared_experts=2,
        num_attention_heads=16, num_experts_per_tok=6, num_hidden_layers=27, num_key_value_heads=16, q_lora_rank=None,
        rm_head=False, topk_method="greedy",
    ),
    "base": _official(
        2560, bos_token_id=0, eos_token_id=1, first_k_dense_replace=1, hidden_size=2560, intermediate_size=12288,
        lm_head=False, max_position_embeddings=4096, moe_intermediate_size=1536, n_group=1, n_routed_experts=72,
        n_shared_experts=2, norm_topk_prob=True, num_experts_per_tok=6, q_lora_rank=None, rm_head=False,
        routed_scaling_factor=2.0, scoring_func="sigmoid", topk_group=1, topk_method="noaux_tc", vocab_size=129280,
    ),
}  # fmt: skip
