"""The one table between our parameter names and the keys of official checkpoints; it reads both ways."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from torch import Tensor

# Ours, official. {i} is a layer, [{e}] one expert's slice of a stacked parameter, * is weight or bias.
RULES: tuple[tuple[str, str], ...] = (
    ("tile_newline", "image_newline"),
    ("view_separator", "view_seperator"),  # their spelling
    ("vision.patch_embed.*", "vision.patch_embed.proj.*"),
    ("vision.pos_embed", "vision.pos_embed"),
    ("vision.blocks.{i}.attention_norm.*", "vision.blocks.{i}.norm1.*"),
    ("vision.blocks.{i}.attention.qkv.*", "vision.blocks.{i}.attn.qkv.*"),
    ("vision.blocks.{i}.attention.output.*", "vision.blocks.{i}.attn.proj.*"),
    ("vision.blocks.{i}.mlp_norm.*", "vision.blocks.{i}.norm2.*"),
    ("vision.blocks.{i}.mlp.up.*", "vision.blocks.{i}.mlp.fc1.*"),
    ("vision.blocks.{i}.mlp.down.*", "vision.blocks.{i}.mlp.fc2.*"),
    ("vision.norm.*", "vision.norm.*"),
    ("vision.attention_pool.latent", "vision.attn_pool.latent"),
    ("vision.attention_pool.query.*", "vision.attn_pool.q.*"),
    ("vision.attention_pool.key_value.*", "vision.attn_pool.kv.*"),
    ("vision.attention_pool.output.*", "vision.attn_pool.proj.*"),
    ("vision.attention_pool.norm.*", "vision.attn_pool.norm.*"),
    ("vision.attention_pool.mlp.up.*", "vision.attn_pool.mlp.fc1.*"),
    ("vision.attention_pool.mlp.down.*", "vision.attn_pool.mlp.fc2.*"),
    ("adaptor.hidden.0.*", "projector.layers.0.*"),
    ("adaptor.output.*", "projector.layers.2.*"),  # 1 is the activation; all sizes have depth 2
    ("language.embedding.weight", "language.model.embed_tokens.weight"),
    ("language.layers.{i}.attention_norm.weight", "language.model.layers.{i}.input_layernorm.weight"),
    ("language.layers.{i}.attention.query.weight", "language.model.layers.{i}.self_attn.q_proj.weight"),
    ("language.layers.{i}.attention.key.weight", "language.model.layers.{i}.self_attn.k_proj.weight"),
    ("language.layers.{i}.attention.value.weight", "language.model.layers.{i}.self_attn.v_proj.weight"),
    ("language.layers.{i}.attention.query_down.weight", "language.model.layers.{i}.self_attn.q_a_proj.weight"),
    ("language.layers.{i}.attention.query_norm.weight", "language.model.layers.{i}.self_attn.q_a_layernorm.weight"),
    ("language.layers.{i}.attention.query_up.weight", "language.model.layers.{i}.self_attn.q_b_proj.weight"),
    ("language.layers.{i}.attention.latent_down.weight", "language.model.layers.{i}.self_attn.kv_a_proj_with_mqa.weight"),
    ("language.layers.{i}.attention.latent_norm.weight", "language.model.layers.{i}.self_attn.kv_a_layernorm.weight"),
    ("language.layers.{i}.attention.latent_up.weight", "language.model.layers.{i}.self_attn.kv_b_proj.weight"),
    ("language.layers.{i}.attention.output.weight", "language.model.layers.{i}.self_attn.o_proj.weight"),
    ("language.layers.{i}.mlp_norm.weight", "language.model.layers.{i}.post_attention_layernorm.weight"),
    ("language.layers.{i}.mlp.gate.weight", "language.model.layers.{i}.mlp.gate_proj.weight"),
    ("language.layers.{i}.mlp.up.weight", "language.model.layers.{i}.mlp.up_proj.weight"),
    ("language.layers.{i}.mlp.down.weight", "language.model.layers.{i}.mlp.down_proj.weight"),
    ("language.layers.{i}.mlp.router.weight", "language.model.layers.{i}.mlp.gate.weight"),
    ("language.layers.{i}.mlp.router.expert_bias", "language.model.layers.{i}.mlp.gate.e_score_correction_bias"),
    ("language.layers.{i}.mlp.routed_experts.gate[{e}]", "language.model.layers.{i}.mlp.experts.{e}.gate_proj.weight"),
    ("language.layers.{i}.mlp.routed_experts.up[{e}]", "language.model.layers.{i}.mlp.experts.{e}.up_proj.weight"),
    ("language.layers.{i}.mlp.routed_experts.down[{e}]", "language.model.layers.{i}.mlp.experts.{e}.down_proj.weight"),
    ("language.layers.{i}.mlp.shared_experts.gate.weight", "language.model.layers.{i}.mlp.shared_experts.gate_proj.weight"),
    ("language.layers.{i}.mlp.shared_experts.up.weight", "language.model.layers.{i}.mlp.shared_experts.up_proj.weight"),
    ("language.layers.{i}.mlp.shared_experts.down.weight", "language.model.layers.{i}.mlp.shared_experts.down_proj.weight"),
    ("language.norm.weight", "language.model.norm.weight"),
    ("language.head.weight", "language.lm_head.weight"),
)

_STACKED = re.compile(r"language\.layers\.\d+\.mlp\.routed_experts\.(gate|up|down)")
_BLANKS = {"{i}": r"(?P<i>0|[1-9]\d*)", "{e}": r"(?P<e>0|[1-9]\d*)", "*": r"(?P<kind>weight|bias)"}


@dataclass(frozen=True)
class Place:
    """Where a tensor lives in the model: a parameter, or one expert's slice of a stacked parameter."""

    parameter: str
    expert: int | None = None

    def __str__(self) -> str:
        return self.parameter if self.expert is None else f"{self.parameter}[{self.expert}]"


def is_stacked(parameter: str) -> bool:
    """Tell whether a parameter holds all routed experts, one a slice."""
    return _STACKED.fullmatch(parameter) is not None


def places_of(name: str, parameter: Tensor) -> list[Place]:
    """Return the places of a parameter: one, or one for each expert of a stacked one."""
    return [Place(name, expert) for expert in range(len(parameter))] if is_stacked(name) else [Place(name)]


def official_key(place: Place) -> str | None:
    """Return the official key of a place, None when the table has none."""
    return _translate(str(place), source=0)


def place_of(key: str) -> Place | None:
    """Return the place of an official key, None when the table has none."""
    ours = _translate(key, source=1)
    if ours is None:
        return None
    parameter, _, expert = ours.partition("[")
    return Place(parameter, int(expert.rstrip("]")) if expert else None)


def _translate(name: str, *, source: int) -> str | None:
    for pattern, template in _compiled(source):
        found = pattern.fullmatch(name)
        if found:
            return template.format(**found.groupdict())
    return None


@cache
def _compiled(source: int) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return (pattern of one side, format of the other side) for each rule."""
    compiled: list[tuple[re.Pattern[str], str]] = []
    for rule in RULES:
        pattern = re.escape(rule[source])
        for blank, expression in _BLANKS.items():
            pattern = pattern.replace(re.escape(blank), expression)
        compiled.append((re.compile(pattern), rule[1 - source].replace("*", "{kind}")))
    return tuple(compiled)
