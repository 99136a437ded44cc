"""FLOPs and parameters from the configuration against the model itself, and against the reference figures."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.train.variants import toy_config
from vl2.core.batch import Batch
from vl2.kernels import Backends, reference, sorted_experts
from vl2.model import PRESETS, VL2
from vl2.train.paper import paper_row
from vl2.train.planning.flops import flops_by_part, packed_traffic, total_work, unit_work
from vl2.train.planning.units import Traffic, units_of

VARIANTS = ("tiny", "small", "base")
TOKENS = 4096
# G a token at 35 % visual tokens, worked out apart: 6 * activated weights, scores, the tower
LANGUAGE = {"tiny": 3.44, "small": 14.7, "base": 24.74}
SCORES = {"tiny": 0.38, "small": 1.70, "base": 3.77}
VISION_SHARE = {"tiny": (0.35, 0.48, 0.57), "small": (0.11, 0.18, 0.24), "base": (0.07, 0.11, 0.15)}


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_are_those_of_the_model(preset):
    with torch.device("meta"):
        model = VL2(PRESETS[preset])
    units = units_of(PRESETS[preset])
    assert sum(u.dense_params + u.expert_params for u in units) == sum(p.numel() for p in model.parameters())
    routed = sum(p.numel() for name, p in model.named_parameters() if ".routed_experts." in name)
    assert sum(u.expert_params for u in units) == routed


@pytest.mark.parametrize("variant", VARIANTS)
def test_flops_are_those_that_torch_counts(variant):
    """Every matrix product of a toy, counted while it runs; the reference attention scores all pairs."""
    config = toy_config(variant)
    length, num_tiles = 40, 3
    model = VL2(config, Backends(attention=reference.attention, experts=sorted_experts.routed_experts))
    ids = torch.arange(length)[None] % config.language_config.vocab_size
    ones = torch.ones_like(ids)
    batch = Batch(
        input_ids=ids, positions=torch.arange(length)[None], documents=ones, image_mask=ones < 1, tiles=None
    )  # fmt: skip
    side = config.vision_config.image_size
    with FlopCounterMode(display=False) as counter:
        model.adaptor(model.vision(torch.zeros(num_tiles, 3, side, side), model.backends))
        model(batch)
    traffic = Traffic(tokens=length, tiles=num_tiles, keys=length, learned=length)
    units = units_of(config)
    row = paper_row(variant, "sft")
    assert total_work(units, traffic, row).forward == counter.get_total_flops()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_reference_figures(variant):
    config, row = PRESETS[variant], paper_row(variant, "pretrain")
    for share, expected in zip((0.2, 0.35, 0.5), VISION_SHARE[variant], strict=True):
        found = flops_by_part(config, packed_traffic(config, tokens=TOKENS, visual_share=share), row)
        assert found["vision"] / sum(found.values()) == pytest.approx(expected, abs=0.0075)
        language = sum(found[part] for part in ("attention", "dense", "experts", "head"))
        assert language / TOKENS / 1e9 == pytest.approx(LANGUAGE[variant], rel=5e-3)
        assert found["scores"] / TOKENS / 1e9 == pytest.approx(SCORES[variant], rel=1e-2)


def test_a_tile_costs_two_teraflop():
    config = PRESETS["tiny"]
    one = Traffic(tokens=0, tiles=1, keys=0, learned=0)
    found = flops_by_part(config, one, paper_row("tiny", "sft"))["vision"]
    assert found == pytest.approx(2.0e12, rel=1e-2)
    assert found / config.tile_side**2 == pytest.approx(10.2e9, rel=1e-2)  # a visual token


def test_parts_and_works_add_up():
    for variant in VARIANTS:
        config = PRESETS[variant]
        traffic = packed_traffic(config, tokens=TOKENS, visual_share=0.3, learned_share=0.5)
        for stage in ("align", "pretrain"):
            row = paper_row(variant, stage)
            total = total_work(units_of(config), traffic, row).total
            assert total == pytest.approx(sum(flops_by_part(config, traffic, row).values()), rel=1e-12)


def test_a_frozen_language_model_takes_no_gradient_of_weights():
    config = PRESETS["base"]
    traffic = packed_traffic(config, tokens=TOKENS, visual_share=0.35)
    for unit in units_of(config):
        frozen, moving = (unit_work(unit, traffic, paper_row("base", stage)) for stage in ("align", "sft"))
        assert frozen.forward == moving.forward
        assert frozen.input_gradient == moving.input_gradient
        assert frozen.weight_gradient == (moving.weight_gradient if unit.is_vision else 0)


def test_documents_of_a_pack_do_not_look_at_each_other():
    config = PRESETS["small"]
    whole, halves = (packed_traffic(config, tokens=TOKENS, visual_share=0.0, documents=n) for n in (1, 2))
    assert (whole.keys, halves.keys) == (2048.5, 1024.5)
