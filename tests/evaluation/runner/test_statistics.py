"""Intervals against closed forms, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vl2.evaluation.scoring import estimate_counts
from vl2.evaluation.statistics import estimate, mcnemar, mean_estimate, wilson
from vl2.evaluation.task import Count


def rows(values, groups=None, part="all") -> list[Count]:
    names = range(len(values)) if groups is None else groups
    return [Count(part=part, group=str(g), value=float(v)) for v, g in zip(values, names, strict=True)]


@pytest.mark.parametrize(
    ("right", "number", "low", "high"),
    [(8, 10, 0.4901625, 0.9433178), (0, 20, 0.0, 0.1611252), (20, 20, 0.8388748, 1.0), (81, 263, 0.2552505, 0.3662205)],
)
def test_wilson_equals_published_values(right, number, low, high):
    assert wilson(right / number, number) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


def test_bootstrap_of_a_mean_is_the_central_limit_theorem():
    values = np.random.default_rng(0).random(800)
    found = estimate(rows(values), 100.0)
    error = 100 * values.std() / math.sqrt(800)
    assert found.score == pytest.approx(100 * values.mean())
    assert found.standard_error == pytest.approx(error, rel=0.05)  # 2000 resamples know it to 1.6 %
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.06)


def test_rows_of_one_image_are_no_independent_evidence():
    values = np.repeat(np.random.default_rng(1).integers(0, 2, 200), 4)
    alone = estimate(rows(values), 100.0)
    together = estimate(rows(values, np.repeat(np.arange(200), 4)), 100.0)
    assert together.score == alone.score
    assert together.standard_error == pytest.approx(2 * alone.standard_error, rel=0.08)  # the root of four copies


def test_the_error_of_a_sum_is_that_of_its_independent_parts():
    rng = np.random.default_rng(2)
    parts = [rows(rng.random(300), [f"{p}-{i}" for i in range(300)], part=str(p)) for p in range(4)]
    each = [estimate(part, 100.0) for part in parts]
    total = estimate([count for part in parts for count in part], 100.0)
    assert total.score == pytest.approx(sum(one.score for one in each))
    assert total.standard_error == pytest.approx(math.hypot(*(one.standard_error for one in each)), rel=0.06)


def test_weights_make_a_part_the_mean_of_what_has_weight():
    counts = [Count(part="a", group="1", value=3, weight=4), Count(part="a", group="2", value=1, weight=1)]
    assert estimate(counts, 10.0).score == pytest.approx(8.0)


def test_an_interval_does_not_vanish_when_all_are_right():
    found = estimate(rows(np.ones(20)), 100.0)
    assert (found.score, found.high) == (100.0, 100.0)
    assert found.low == pytest.approx(83.89, abs=0.01)
    assert estimate(rows([1, 1, 1], ["a", "a", "a"]), 100.0).low < 25  # one image, however many questions
    assert estimate([], 100.0).score == 0.0


def test_a_seed_gives_the_same_interval_and_another_one_nearly():
    counts = rows(np.random.default_rng(3).random(100))
    assert estimate(counts, 100.0) == estimate(counts, 100.0)
    other = estimate(counts, 100.0, seed=1)
    assert other.low != estimate(counts, 100.0).low
    assert other.low == pytest.approx(estimate(counts, 100.0).low, abs=1.0)


def test_plain_shares_get_wilsons_interval():
    assert estimate_counts(rows([1] * 8 + [0] * 2), 100.0) == mean_estimate([1.0] * 8 + [0.0] * 2, 100.0)
    assert estimate_counts(rows([1] * 8 + [0] * 2), 100.0).low == pytest.approx(49.016, abs=0.01)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 10, 2 / 2**10), (1, 9, 2 * 11 / 2**10), (3, 5, 2 * 93 / 2**8)],
)
def test_mcnemar_is_the_binomial_test(first, second, p):
    assert mcnemar(first, second) == pytest.approx(p)
    assert mcnemar(second, first) == pytest.approx(p)


def test_mcnemar_of_large_tables_nears_the_normal_distribution():
    z = (10_100 - 9_900 - 1) / math.sqrt(20_000)  # with the correction for continuity
    assert mcnemar(9_900, 10_100) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)
