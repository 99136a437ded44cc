"""The shape tracer itself, on a small module that tells the truth in some lines and lies in others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.house import shape_sample as sample
from tests.house.shape_tracer import Report, trace_shapes

B, T, D = 2, 7, 5
LEGEND = {"B": B, "T": T, "D": D}
X = torch.arange(float(B * T * D)).view(B, T, D)


def traced(run) -> Report:
    return trace_shapes(["tests.house.shape_sample"], LEGEND, run)


@pytest.mark.parametrize(
    ("run", "num_comments"),
    [
        (lambda: sample.right(X), 5),
        (lambda: sample.rounds([2, 3, 4]), 4),
        (lambda: sample.arguments(X, None), 2),
        (lambda: sample.arguments(X, X[:, :, 0]), 3),
        (lambda: sample.Pair(X[:, :, 0]), 1),
        (lambda: sample.Pair(X[:, :, 0], X), 2),
        (lambda: sample.survives(X), 1),
    ],
)
def test_true_comments_hold(run, num_comments):
    report = traced(run)
    assert list(report.mistakes) == []
    assert len(report.checked) == num_comments


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (lambda: sample.wrong_letter(X), "[B, T, D]: shape is [2, 5, 7]: 5 is not T (T=7); 7 is not D (D=5)"),
        (lambda: sample.wrong_rank(X), "[B, T]: shape is [2, 7, 5]: rank is 3, expected 2"),
        (lambda: sample.wrong_within_a_call(X), "[Q, D]: shape is [6, 5]: 6 is not Q (Q=7)"),
        (lambda: sample.wrong_value(), "[N]: not a tensor (got list)"),
        (lambda: sample.wrong_argument(X), "[T, B, D]: shape is [2, 7, 5]: 2 is not T (T=7); 7 is not B (B=2)"),
        (lambda: sample.Pair(X[0]), "[B, T]: shape is [7, 5]: 7 is not B (B=2); 5 is not T (T=7)"),
    ],
)
def test_a_false_comment_is_reported_with_its_place(run, problem):
    found = next(iter(traced(run).mistakes))
    place, line, rest = found.split(":", 2)
    assert place == "tests/house/shape_sample.py"
    assert rest.strip() == problem
    source = Path(sample.__file__).read_text(encoding="utf-8").splitlines()
    assert problem.split(":")[0] in source[int(line) - 1]


def test_a_size_that_no_choice_of_the_legend_explains_is_reported():
    run = lambda: sample.right(X)  # noqa: E731
    either = trace_shapes(["tests.house.shape_sample"], {"B": (3, B), "T": (T, 11), "D": D}, run)
    neither = trace_shapes(["tests.house.shape_sample"], {"B": (3, 5), "T": T, "D": D}, run)
    assert not either.mistakes
    assert neither.mistakes


def test_comments_that_did_not_run_are_listed():
    report = traced(lambda: sample.rounds([2]))
    assert any(line.endswith("[B]") for line in report.unreached)
    assert not any(line.endswith("[X, X]") for line in report.unreached)


def test_an_error_in_the_run_passes_and_tracing_stops():
    import sys

    before = sys.gettrace()
    with pytest.raises(ZeroDivisionError):
        traced(lambda: 1 / 0)
    assert sys.gettrace() is before
