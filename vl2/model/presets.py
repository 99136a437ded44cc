"""The four sizes, with the fields of the official files (paper, Table 1)."""

from __future__ import annotations

from vl2.core.tiles import PAPER_MAX_TILES, candidate_resolutions
from vl2.model.config import AdaptorConfig, LanguageConfig, VisionConfig, VL2Config

_TILE, _POCKET_TILE = 384, 96


_SIGLIP = VisionConfig(model_name="siglip_so400m_patch14_384", patch_size=14, width=1152, layers=27, mlp_ratio=3.7362)
_OFFICIAL_CANVASES = candidate_resolutions(_TILE, PAPER_MAX_TILES)


def _official(language: LanguageConfig) -> VL2Config:
    return VL2Config(
        vision_config=_SIGLIP,
        projector_config=AdaptorConfig(n_embed=language.hidden_size),
        language_config=language,
        candidate_resolutions=_OFFICIAL_CANVASES,
    )


_TINY = LanguageConfig(
    vocab_size=129280, hidden_size=1280, intermediate_size=6848, moe_intermediate_size=896, num_hidden_layers=12,
    num_attention_heads=10, num_key_value_heads=10, n_shared_experts=2, n_routed_experts=64, num_experts_per_tok=6,
    first_k_dense_replace=1, topk_method="greedy", n_group=1, topk_group=1, kv_lora_rank=None, q_lora_rank=None,
    qk_nope_head_dim=0, qk_rope_head_dim=0, v_head_dim=0, use_mla=False, max_position_embeddings=4096,
    bos_token_id=0, eos_token_id=1,
)  # fmt: skip
_SMALL = LanguageConfig(
    hidden_size=2048, intermediate_size=10944, moe_intermediate_size=1408, num_hidden_layers=27,
    num_attention_heads=16, num_key_value_heads=16, n_shared_experts=2, n_routed_experts=64, num_experts_per_tok=6,
    first_k_dense_replace=1, topk_method="greedy", n_group=1, q_lora_rank=None, max_position_embeddings=4096,
)  # fmt: skip
_BASE = LanguageConfig(
    vocab_size=129280, hidden_size=2560, intermediate_size=12288, moe_intermediate_size=1536, n_shared_experts=2,
    n_routed_experts=72, num_experts_per_tok=6, first_k_dense_replace=1, topk_method="noaux_tc",
    scoring_func="sigmoid", n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.0,
    q_lora_rank=None, max_position_embeddings=4096, bos_token_id=0, eos_token_id=1,
)  # fmt: skip
_POCKET = VL2Config(
    vision_config=VisionConfig(
        model_name="siglip_pocket_patch8_96", image_size=_POCKET_TILE, patch_size=8, width=128, layers=4, heads=4,
        mlp_ratio=4.0, global_pool="",
    ),
    projector_config=AdaptorConfig(input_dim=128, n_embed=160),
    language_config=LanguageConfig(
        vocab_size=2048, hidden_size=160, intermediate_size=480, moe_intermediate_size=128, num_hidden_layers=4,
        num_attention_heads=5, num_key_value_heads=5, n_shared_experts=1, n_routed_experts=8, num_experts_per_tok=2,
        first_k_dense_replace=1, topk_method="greedy", n_group=1, topk_group=1, kv_lora_rank=64, q_lora_rank=None,
        qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=32, max_position_embeddings=4096,
        bos_token_id=0, eos_token_id=1,
    ),
    candidate_resolutions=candidate_resolutions(_POCKET_TILE, 4),
)  # fmt: skip

PRESETS: dict[str, VL2Config] = {
    "pocket": _POCKET,
    "tiny": _official(_TINY),
    "small": _official(_SMALL),
    "base": _official(_BASE),
}
