"""The learning rate equals Table 2 at 0, 49.9, 50, 74.9, 75 and 100 % of every stage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vl2.train.paper import TABLE_2
from vl2.train.schedule import learning_rate, schedule_factor

PROGRESS = (0.0, 0.499, 0.5, 0.749, 0.75, 1.0)
ROOT_10 = 3.1622776601683795
FACTORS = {
    "cosine": (1.0, 0.5015708, 0.5, 0.1475591, 0.1464466, 0.0),  # (1 + cos(pi * progress)) / 2
    "step": (1.0, 1.0, 1 / ROOT_10, 1 / ROOT_10, 0.1, 0.1),
    "constant": (1.0,) * 6,
}
NUM_STEPS = 1000


@pytest.mark.parametrize("column", TABLE_2, ids="-".join)
def test_rates_of_the_table(column):
    row = replace(TABLE_2[column], warmup_steps=0)
    for progress, factor in zip(PROGRESS, FACTORS[row.schedule], strict=True):
        expected = pytest.approx(row.learning_rate * factor, rel=1e-6, abs=1e-12)
        assert learning_rate(row, round(progress * NUM_STEPS), NUM_STEPS) == expected


@pytest.mark.parametrize("column", TABLE_2, ids="-".join)
def test_the_last_step_of_the_paper_and_all_between(column):
    row = TABLE_2[column]
    rates = [learning_rate(row, step, row.num_steps) for step in range(0, row.num_steps, 101)]
    warm = row.warmup(row.num_steps) // 101 + 1
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[warm:] == sorted(rates[warm:], reverse=True)
    levels = {"step": 3, "constant": 1}
    if row.schedule in levels:
        assert len({f"{rate:.6e}" for rate in rates[warm:]}) == levels[row.schedule]


def test_warm_up_is_linear_from_the_first_step():
    row = replace(TABLE_2["base", "sft"], warmup_steps=4)
    assert [learning_rate(row, step, 100) / row.learning_rate for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_cosine_may_end_above_zero():
    assert schedule_factor("cosine", 1.0, floor=0.1) == pytest.approx(0.1)
    assert schedule_factor("cosine", 0.0, floor=0.1) == 1.0
