"""The one table between our parameter names and the keys of official checkpoints; it reads both ways."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from torch import Tensor

# Ours, official. {i} is a layer, [{e}] one expert's slice of a stacked parameter, * is weight or bias.
_WHOLE = (
    ("tile_newline", "image_newline"),
    ("view_separator", "view_seperator"),  # their spelling
    ("vision.patch_embed.*", "vision.patch_embed.proj.*"),
    ("vision.pos_embed", "vision.pos_embed"),
    ("vision.norm.*", "vision.norm.*"),
    ("adaptor.hidden.0.*", "projector.layers.0.*"),
    ("adaptor.output.*", "projector.layers.2.*"),  # 1 is the activation; all sizes have depth 2
    ("language.embedding.weight", "language.model.embed_tokens.weight"),
    ("language.norm.weight", "language.model.norm.weight"),
    ("language.head.weight", "language.lm_head.weight"),
)
_VISION_BLOCK = (  # below vision.blocks.{i}
    ("attention_norm.*", "norm1.*"),
    ("attention.qkv.*", "attn.qkv.*"),
    ("attention.output.*", "attn.proj.*"),
    ("mlp_norm.*", "norm2.*"),
    ("mlp.up.*", "mlp.fc1.*"),
    ("mlp.down.*", "mlp.fc2.*"),
)
_ATTENTION_POOL = (  # below vision.attention_pool and vision.attn_pool; in the checkpoints, never run
    ("latent", "latent"),
    ("query.*", "q.*"),
    ("key_value.*", "kv.*"),
    ("output.*", "proj.*"),
    ("norm.*", "norm.*"),
    ("mlp.up.*", "mlp.fc1.*"),
    ("mlp.down.*", "mlp.fc2.*"),
)
_LAYER = (  # below language.layers.{i} and language.model.layers.{i}
    ("attention_norm.weight", "input_layernorm.weight"),
    ("attention.query.weight", "self_attn.q_proj.weight"),
    ("attention.key.weight", "self_attn.k_proj.weight"),  # MHA
    ("attention.value.weight", "self_attn.v_proj.weight"),
    ("attention.query_down.weight", "self_attn.q_a_proj.weight"),  # MLA
    ("attention.query_norm.weight", "self_attn.q_a_layernorm.weight"),
    ("attention.query_up.weight", "self_attn.q_b_proj.weight"),
    ("attention.latent_down.weight", "self_attn.kv_a_proj_with_mqa.weight"),
    ("attention.latent_norm.weight", "self_attn.kv_a_layernorm.weight"),
    ("attention.latent_up.weight", "self_attn.kv_b_proj.weight"),
    ("attention.output.weight", "self_attn.o_proj.weight"),
    ("mlp_norm.weight", "post_attention_layernorm.weight"),
    ("mlp.gate.weight", "mlp.gate_proj.weight"),  # dense
    ("mlp.up.weight", "mlp.up_proj.weight"),
    ("mlp.down.weight", "mlp.down_proj.weight"),
    ("mlp.router.weight", "mlp.gate.weight"),  # experts
    ("mlp.router.expert_bias", "mlp.gate.e_score_correction_bias"),
    ("mlp.routed_experts.gate[{e}]", "mlp.experts.{e}.gate_proj.weight"),
    ("mlp.routed_experts.up[{e}]", "mlp.experts.{e}.up_proj.weight"),
    ("mlp.routed_experts.down[{e}]", "mlp.experts.{e}.down_proj.weight"),
    ("mlp.shared_experts.gate.weight", "mlp.shared_experts.gate_proj.weight"),
    ("mlp.shared_experts.up.weight", "mlp.shared_experts.up_proj.weight"),
    ("mlp.shared_experts.down.weight", "mlp.shared_experts.down_proj.weight"),
)
RULES: tuple[tuple[str, str], ...] = (
    *_WHOLE,
    *((f"vision.blocks.{{i}}.{ours}", f"vision.blocks.{{i}}.{theirs}") for ours, theirs in _VISION_BLOCK),
    *((f"vision.attention_pool.{ours}", f"vision.attn_pool.{theirs}") for ours, theirs in _ATTENTION_POOL),
    *((f"language.layers.{{i}}.{ours}", f"language.model.layers.{{i}}.{theirs}") for ours, theirs in _LAYER),
)

PARTS = (".codes", ".scales")  # a quantised weight is two tensors, named so behind the names of both sides

_STACKED = re.compile(r"language\.layers\.\d+\.mlp\.routed_experts\.(gate|up|down)")
_BLANKS = {"{i}": r"(?P<i>0|[1-9]\d*)", "{e}": r"(?P<e>0|[1-9]\d*)", "*": r"(?P<kind>weight|bias)"}


@dataclass(frozen=True)
class Place:
    """Where a tensor lives in the model: a parameter, or one expert's slice of a stacked one; or a part of these."""

    parameter: str
    expert: int | None = None
    part: str = ""  # one of PARTS when the weight is quantised

    def __str__(self) -> str:
        return f"{self.parameter}{self.part}" if self.expert is None else f"{self.parameter}[{self.expert}]{self.part}"


def is_stacked(parameter: str) -> bool:
    """Tell whether a parameter holds all routed experts, one a slice."""
    return _STACKED.fullmatch(parameter) is not None


def places_of(name: str, tensor: Tensor) -> list[Place]:
    """Return the places of a parameter or of a part of it: one, or one for each expert of a stacked one."""
    parameter, part = split_part(name)
    experts: Iterable[int | None] = range(len(tensor)) if is_stacked(parameter) else (None,)
    return [Place(parameter, expert, part) for expert in experts]


def official_key(place: Place) -> str | None:
    """Return the official key of a place, None when the table has none."""
    key = _translate(str(replace(place, part="")), source=0)
    return key and key + place.part


def place_of(key: str) -> Place | None:
    """Return the place of an official key, None when the table has none."""
    whole, part = split_part(key)
    ours = _translate(whole, source=1)
    if ours is None:
        return None
    parameter, _, expert = ours.partition("[")
    return Place(parameter, int(expert.rstrip("]")) if expert else None, part)


def split_part(name: str) -> tuple[str, str]:
    """Return the name of a weight, ours or official, and which part of it is meant; "" is the whole."""
    part = next((part for part in PARTS if name.endswith(part)), "")
    return name.removesuffix(part), part


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
