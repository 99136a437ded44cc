"""Progress is told in lines that a log can hold, or drawn in one place; ranks come from torchrun."""

from __future__ import annotations

import io
import re

import pytest

from vl2.core.errors import VL2Error
from vl2.evaluation import progress
from vl2.evaluation.progress import Progress
from vl2.evaluation.rank import Rank


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rate_time_left_score_and_errors(monkeypatch):
    now = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    stream = io.StringIO()
    with Progress("docvqa", 100, 10, lambda: 61.5, stream) as told:  # begun at 0 s
        told.add()  # at 20 s, said at 40 s
        told.add(is_error=True)  # at 60 s, said at 80 s
    lines = stream.getvalue().splitlines()
    assert lines[0] == "docvqa: 11/100, 0.03/s, 59 min 20 s left, score 61.50"
    assert lines[1] == "docvqa: 12/100, 0.03/s, 58 min 40 s left, score 61.50, 1 errors"


def test_few_lines_go_into_a_log():
    stream = io.StringIO()
    with Progress("mme", 5000, 0, lambda: None, stream) as told:
        for _ in range(5000):
            told.add()
    assert len(stream.getvalue().splitlines()) == 1
    assert stream.getvalue().startswith("mme: 5000/5000, ")


def test_a_terminal_is_drawn_on(monkeypatch):
    monkeypatch.setattr(progress, "DRAWN_EVERY_S", 0.0)
    stream = Terminal()
    with Progress("mme", 3, 0, lambda: 1.0, stream) as told:
        for _ in range(3):
            told.add()
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())  # without colours and movements
    assert all(f"mme: {number}/3" in drawn for number in (1, 2, 3))
    assert stream.getvalue().splitlines()[-1].endswith("score 1.00")


def test_ranks_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Rank.from_environment() == Rank()
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert Rank.from_environment() == Rank(number=3, size=8)
    assert Rank.from_environment().suffix == ".3"
    for rank, size in (("8", "8"), ("x", "8"), ("-1", "2"), ("0", "0")):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", size)
        with pytest.raises(VL2Error):
            Rank.from_environment()
