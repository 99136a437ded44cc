"""A real difference is significant, and two draws of the same are not."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation.runner import toy
from tests.evaluation.runner.fakes import FakeAnswerer
from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.compare import compare
from vl2.evaluation.job import Job
from vl2.evaluation.row import Row
from vl2.evaluation.runner import run_job
from vl2.evaluation.task import Count

NUM_ROWS = 300


def rows(number: int = NUM_ROWS):
    for i in range(number):
        yield Row(
            id=str(i),
            images=(ImageSource(data=b"x"),),
            question="?",
            answers=("yes",),
            group=str(i // 2),
            category="AB"[i % 2],
        )


def job(number: int = NUM_ROWS, **changes) -> Job:
    return Job(task=replace(toy.TASK, **changes), rows=lambda: rows(number), profile="vlmevalkit")


def answered(out: Path, share: float, seed: int, job: Job) -> Path:
    """Run a model that gets about this share right, at random rows."""
    rng = random.Random(seed)
    right = {str(i): rng.random() < share for i in range(NUM_ROWS)}
    run_job(job, FakeAnswerer(lambda q: "yes" if right[q.id] else "no", model=f"m{share}-{seed}"), out)
    return out


def test_a_real_difference_is_significant(tmp_path):
    first, second = (answered(tmp_path / str(share), share, 1, job()) for share in (0.5, 0.65))
    found = compare(first, second)
    assert found.is_significant
    assert found.difference == pytest.approx(found.second_score - found.first_score)
    assert 0 < found.low < found.difference < found.high
    assert found.p_bootstrap < 0.01
    assert found.p_mcnemar < 0.01
    assert found.only_first == 0  # the same draws against a higher bar
    assert "significant" in str(found)
    turned = compare(second, first)
    assert (turned.difference, turned.only_second) == (pytest.approx(-found.difference), 0)
    assert turned.high < 0


def test_two_seeds_of_the_same_are_not(tmp_path):
    runs = [answered(tmp_path / str(seed), 0.6, seed, job()) for seed in range(8)]
    found = [compare(runs[i], runs[i + 1]) for i in range(0, 8, 2)]
    assert not any(one.is_significant for one in found)
    assert not any(one.p_mcnemar < 0.05 for one in found)
    same = compare(runs[0], runs[0])
    assert (same.difference, same.low, same.high, same.p_bootstrap, same.p_mcnemar) == (0, 0, 0, 1, 1)


def test_false_alarms_are_as_rare_as_promised():
    """Of differences between equals, 95 % intervals leave out zero in about one of twenty."""
    import numpy as np

    from vl2.evaluation.statistics import Totals, resample

    rng, alarms, tries = np.random.default_rng(0), 0, 400
    for _ in range(tries):
        runs = [
            Totals.of([Count(part="all", group=str(i), value=float(v)) for i, v in enumerate(rng.random(120) < 0.6)])
            for _ in range(2)
        ]
        first, second = resample(runs, 100.0, num_resamples=400)
        low, high = np.quantile(second - first, (0.025, 0.975))
        alarms += bool(low > 0 or high < 0)
    assert 0.02 < alarms / tries < 0.085  # 5 % +- 3 of its standard errors


def test_sums_over_parts_are_compared_too(tmp_path):
    def count(scored):
        for one in scored:
            yield Count(part=one.row.category, group=one.row.group, value=one.verdict.credit)

    runs = [answered(tmp_path / str(share), share, 1, job(count=count)) for share in (0.5, 0.65)]
    found = compare(*runs)
    assert 80 < found.first_score < 120 < found.second_score < 160  # of 200
    assert found.is_significant


def test_rows_of_only_one_run_are_left_out_and_said(tmp_path):
    whole, part = answered(tmp_path / "a", 0.5, 1, job()), answered(tmp_path / "b", 0.5, 1, job(201))
    found = compare(whole, part)
    assert (found.num_rows, found.num_groups, found.num_left_out) == (201, 100, 99)  # half of a group is no group
    assert found.difference == 0
    assert "99 rows left out" in str(found)


def test_what_cannot_be_compared_is_refused(tmp_path):
    first = answered(tmp_path / "a", 0.5, 1, job())
    other = answered(tmp_path / "b", 0.5, 1, job(name="other"))
    with pytest.raises(VL2Error, match="tasks: differ"):
        compare(first, other)
    with pytest.raises(VL2Error, match=r"holds no summary.json"):
        compare(first, tmp_path)
