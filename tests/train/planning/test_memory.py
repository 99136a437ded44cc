"""Memory: activations against what autograd saves, and shards that add up to the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.train.variants import toy_config
from vl2.kernels import Backends, sorted_experts
from vl2.model import PRESETS, VL2, VL2Config
from vl2.model.language import documents_mask
from vl2.train.paper import paper_row
from vl2.train.planning.activations import input_bytes, kept_bytes, logits_bytes
from vl2.train.planning.flops import packed_traffic
from vl2.train.planning.layout import Layout
from vl2.train.planning.memory import pass_bytes, rank_memory, sharded, whole
from vl2.train.planning.units import Traffic, units_of

LENGTH, NUM_TILES = 256, 3
VARIANTS = ("tiny", "small", "base")
TOLERANCE = 0.015  # counts, indices and the like are left out of the formulas


class Fused(torch.autograd.Function):
    """Attention that saves what fused kernels do: inputs, output and the sums of the softmax."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, out: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value, out, query.new_zeros(query.shape[:-1], dtype=torch.float32))
        return out


def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    with torch.no_grad():
        heads, length = query.shape[1:3]
        out = query.new_zeros(len(query), length, heads, value.shape[-1]).transpose(1, 2)  # merged without a copy
    return Fused.apply(query, key, value, out)  # type: ignore[return-value]


def toy(variant: str) -> VL2Config:
    """A toy whose widths are large beside the counts that the formulas leave out."""
    config = toy_config(variant)
    dims = {"qk_nope_head_dim": 48, "qk_rope_head_dim": 16, "v_head_dim": 40, "kv_lora_rank": 72}
    language = replace(
        config.language_config, hidden_size=320, num_attention_heads=5, num_key_value_heads=5, num_experts_per_tok=3,
        moe_intermediate_size=96, intermediate_size=112, **(dims if config.language_config.use_mla else {}),
    )  # fmt: skip
    return replace(
        config,
        language_config=language,
        vision_config=replace(config.vision_config, width=64, heads=4),
        projector_config=replace(config.projector_config, input_dim=64, n_embed=320),
    )


def saved_bytes(run, *known: Tensor) -> int:
    """Return the bytes that autograd saves, each storage once; weights and `known` tensors are not counted."""
    seen = {tensor.untyped_storage().data_ptr() for tensor in known}
    kept: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in seen:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = run()
    assert out is not None
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def dtype(request):
    return request.param


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_language_layer_keeps_what_autograd_saves(variant, dtype, monkeypatch):
    # a toy's experts have few tokens, which are not filled up here
    monkeypatch.setattr(sorted_experts, "padded", lambda count: count)
    config = toy(variant)
    torch.manual_seed(0)
    model = VL2(config, Backends(attention=fused, experts=sorted_experts.routed_experts)).to(dtype)
    language, positions = model.language, torch.arange(LENGTH)[None]
    table, mask = language.rope(positions), documents_mask(torch.ones(1, LENGTH, dtype=torch.long), dtype)
    units = [unit for unit in units_of(config) if unit.kind == "layer"]
    traffic = Traffic(tokens=LENGTH, tiles=0, keys=1, learned=0)
    weights = [p.float() for name, p in model.named_parameters() if name.endswith("router.weight")]
    for unit in units[:2]:  # dense, experts
        x = torch.randn(1, LENGTH, config.language_config.hidden_size, dtype=dtype, requires_grad=True)
        layer = language.layers[unit.index]
        found = saved_bytes(
            lambda layer=layer, x=x: layer(x, table, positions, mask, None, model.backends),
            *model.parameters(), *language.rope(positions), *table, mask,
        )  # fmt: skip
        if unit.expert_params and dtype != torch.float32:
            found -= weights[0].nbytes  # a copy of the router in float32, whatever the number of tokens
        expected = kept_bytes(unit, config, traffic, dtype.itemsize)
        if unit.expert_params and dtype == torch.float32:
            expected -= LENGTH * config.language_config.hidden_size * 4  # the router reads what the experts read
        assert found == pytest.approx(expected, rel=TOLERANCE)


def test_a_vision_block_and_the_adaptor_keep_what_autograd_saves(dtype):
    config = toy("tiny")
    vision = config.vision_config
    model = VL2(config, Backends(attention=fused)).to(dtype)
    traffic = Traffic(tokens=0, tiles=NUM_TILES, keys=0, learned=0)
    x = torch.randn(NUM_TILES, vision.patches_per_side**2, vision.width, dtype=dtype, requires_grad=True)
    units = {unit.kind: unit for unit in units_of(config)}
    for kind, run in (
        ("block", lambda: model.vision.blocks[0](x, model.backends)),
        ("adaptor", lambda: model.adaptor(x)),
    ):
        found = saved_bytes(run, *model.parameters())
        assert found == pytest.approx(kept_bytes(units[kind], config, traffic, dtype.itemsize), rel=TOLERANCE)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "layout", [Layout(), Layout(dp_shard=8), Layout(dp_shard=4, tp=2, ep=4, dp_replicate=3), Layout(dp_shard=2, ep=2)]
)
def test_shards_add_up_to_the_model(variant, layout):
    units = units_of(PRESETS[variant])
    total = sum(unit.dense_params + unit.expert_params for unit in units)
    assert sum(sharded(unit, layout) for unit in units) * layout.dp_shard * layout.tp == pytest.approx(total)
    computed = sum(whole(unit, layout) for unit in units)
    assert computed <= total
    assert (computed == total) is (layout.tp == layout.ep == 1)


def test_the_states_of_tiny_on_one_gpu():
    """Float32 weights, gradients and two moments: 16 bytes a parameter, and a bf16 copy."""
    config, row = PRESETS["tiny"], paper_row("tiny", "pretrain")
    units, traffic = units_of(config), packed_traffic(PRESETS["tiny"], tokens=4096, visual_share=0.35)
    found = rank_memory(units, config, row, Layout(), traffic, kept=0.0)
    params = 3_370_501_440
    assert (found.parameters, found.gradients, found.optimizer) == (4 * params, 4 * params, 8 * params)
    assert found.gathered == 2 * params
    assert found.logits == 4096 * 129280 * 10


def test_bf16_states_halve_the_optimizer_and_a_frozen_part_has_none():
    config = PRESETS["base"]
    units, traffic = units_of(config), packed_traffic(config, tokens=4096, visual_share=0.35)
    align, sft = (rank_memory(units, config, paper_row("base", s), Layout(), traffic, 0.0) for s in ("align", "sft"))
    assert sft.optimizer == sft.parameters
    moving = sum(unit.dense_params for unit in units if unit.is_vision)
    assert align.parameters == sft.parameters
    assert align.gradients == align.optimizer == 4 * moving


def test_recompute_keeps_inputs_only():
    config = PRESETS["small"]
    traffic = packed_traffic(config, tokens=4096, visual_share=0.35)
    units = units_of(config)
    kept, inputs = (pass_bytes(units, config, Layout(recompute=again), traffic) for again in (False, True))
    assert inputs < 0.05 * kept
    layers = [unit for unit in units if unit.kind == "layer"]
    assert sum(input_bytes(unit, config, traffic, 2) for unit in layers) == 27 * 4096 * 2048 * 2


def test_logits_are_of_learned_tokens_alone():
    config = PRESETS["tiny"]
    few, all_of_them = (
        logits_bytes(config, packed_traffic(config, tokens=4096, visual_share=0.0, learned_share=share), 2)
        for share in (0.25, 1.0)
    )
    assert few == all_of_them / 4
