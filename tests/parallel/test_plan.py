"""Plans that cannot run are refused in one line that names the valid choices."""

from __future__ import annotations

import pytest

from tests.parallel.toy import NUM_UNITS, toy_config
from vl2.core.errors import ConfigError
from vl2.parallel.plan import ParallelPlan
from vl2.parallel.units import num_units

CONFIG = toy_config("mla")
REFUSED = [
    ({"dp_shard": 3}, 4, "number of processes .got 3, expected 4"),
    ({"dp_shard": 0}, 4, "dp_shard: must be positive"),
    ({"tp": 3}, 3, "tp: must divide heads 4, .* .got 3, expected 1, 2, 4"),
    ({"dp_shard": 6, "ep": 3}, 6, "ep: must divide the 8 experts and dp_shard . tp = 6 .got 3, expected 1, 2"),
    ({"dp_replicate": 4, "ep": 4}, 4, "ep: .* expected 1"),
    ({"pp": 2, "schedule": "2f2b"}, 2, "schedule: unknown .got 2f2b, expected gpipe, 1f1b, .* '1f1b'"),
    ({"dp_shard": 2, "chunks": 2}, 2, "chunks: needs a pipeline"),
    ({"pp": 2, "chunks": 2}, 2, "chunks: does not fit schedule 1f1b .got 2, expected 1"),
    ({"pp": 2, "schedule": "interleaved"}, 2, "chunks: .* expected 2 or more"),
    ({"pp": 2, "schedule": "zbv", "chunks": 3}, 2, "chunks: .* expected 2"),
    ({"pp": 2}, 2, f"stage_ends: .* .got nothing, expected 2 rising numbers, the last {NUM_UNITS}"),
    ({"pp": 2, "stage_ends": (5, 11)}, 2, "stage_ends"),
    ({"pp": 2, "stage_ends": (12, 12)}, 2, "stage_ends"),
    ({"pp": 2, "stage_ends": (0, 12)}, 2, "stage_ends"),
    (
        {"pp": 2, "schedule": "dualpipev", "chunks": 2, "stage_ends": (3, 6, 9, 12), "num_microbatches": 3},
        2,
        "num_microbatches: too few for schedule dualpipev .got 3, expected 4 or more",
    ),
    (
        {"pp": 4, "schedule": "interleaved", "chunks": 2, "num_microbatches": 9},
        4,
        "num_microbatches: must be a multiple of its 2 rounds of pp .got 9, expected 8 or 12",
    ),
]


@pytest.mark.parametrize(("fields", "world_size", "line"), REFUSED)
def test_an_impossible_plan_is_refused(fields, world_size, line):
    with pytest.raises(ConfigError, match=line):
        ParallelPlan(**fields).check(world_size, CONFIG)


def test_a_plan_that_fits_passes():
    ParallelPlan(pp=2, dp_shard=2, tp=2, ep=4, stage_ends=(5, NUM_UNITS)).check(8, CONFIG)


def test_v_shaped_schedules_come_back():
    plan = ParallelPlan(pp=4, schedule="zbv", chunks=2)
    assert [plan.stages_of(rank) for rank in range(4)] == [(0, 7), (1, 6), (2, 5), (3, 4)]
    plan = ParallelPlan(pp=4, schedule="interleaved", chunks=2)
    assert [plan.stages_of(rank) for rank in range(4)] == [(0, 4), (1, 5), (2, 6), (3, 7)]


def test_units_are_those_of_the_planner():
    assert num_units(CONFIG) == NUM_UNITS
