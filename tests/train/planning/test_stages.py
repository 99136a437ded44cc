"""Stage plans: the best split, and what it gains over a whole tower on the first stage."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vl2.core.errors import ConfigError
from vl2.model import PRESETS
from vl2.train.paper import paper_row
from vl2.train.planning.flops import packed_traffic, unit_work
from vl2.train.planning.stages import plan_stages, plan_with_whole_tower, split
from vl2.train.planning.units import units_of


def planned(variant: str, num_stages: int, visual_share: float = 0.35, plan=plan_stages):
    config, row = PRESETS[variant], paper_row(variant, "pretrain")
    traffic = packed_traffic(config, tokens=4096, visual_share=visual_share)
    return plan(units_of(config), num_stages, lambda unit: unit_work(unit, traffic, row).total)


def test_tiny_on_four_stages():
    assert planned("tiny", 4).imbalance <= 1.10
    assert planned("tiny", 4, plan=plan_with_whole_tower).imbalance == pytest.approx(1.93, abs=0.005)


@pytest.mark.parametrize("variant", ["tiny", "small", "base"])
@pytest.mark.parametrize("visual_share", [0.2, 0.35, 0.5])
def test_four_stages_are_even_whatever_the_share(variant, visual_share):
    ours = planned(variant, 4, visual_share)
    assert ours.imbalance <= 1.10
    assert ours.imbalance <= planned(variant, 4, visual_share, plan_with_whole_tower).imbalance


def test_a_plan_holds_every_unit_once_and_in_order():
    for num_stages in (1, 3, 8, 16):
        plan = planned("tiny", num_stages)
        units = units_of(PRESETS["tiny"])
        assert tuple(itertools.chain(*plan.stages)) == units
        assert len(plan.stages) == num_stages
        assert all(plan.stages)
    assert str(planned("tiny", 1)) == "blocks 0-26, adaptor, embedding, layers 0-11, head"


def test_no_split_is_better():
    """All splits of small cases, one by one."""
    draw = np.random.default_rng(0)
    for _ in range(60):
        costs = draw.integers(0, 20, size=draw.integers(1, 10)).astype(float).tolist()
        for num_parts in range(1, len(costs) + 1):
            cuts = itertools.combinations(range(1, len(costs)), num_parts - 1)
            best = min(max(map(sum, parts_of(costs, (*cut, len(costs))))) for cut in cuts)
            ends = split(costs, num_parts)
            assert ends == sorted(set(ends))
            assert len(ends) == num_parts
            assert max(map(sum, parts_of(costs, ends))) == best


def parts_of(costs, ends):
    return [costs[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("num_parts", [0, 4])
def test_impossible_numbers_of_stages(num_parts):
    with pytest.raises(ConfigError, match="expected 1 to 3"):
        split([1.0, 1.0, 1.0], num_parts)
