"""The answers that were wrong, with their pictures: bounded in number and in bytes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.degradation import degraded
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.results import Results
from vl2.evaluation.row import Row
from vl2.evaluation.summary import ScoredLine, Summary
from vl2.evaluation.tasks import TASKS
from vl2.processor.thumbnail import thumbnail

MOST_WRONG = 40  # a run
MOST_IMAGES = 4  # an answer
SIDE = 280
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class WrongAnswer:
    """One line of a run and what was shown."""

    line: ScoredLine
    pictures: tuple[str, ...]  # data URLs


@dataclass(frozen=True, kw_only=True)
class WrongAnswers:
    """The first wrong ones of a run, and why there may be no pictures."""

    answers: Sequence[WrongAnswer]
    num_wrong: int
    problem: str = ""


def wrong_answers(run: Results) -> WrongAnswers:
    """Return the answers without credit, their pictures read again from where the rows lay."""
    wrong = [line for line in run.lines if not line.credit]
    shown = wrong[:MOST_WRONG]
    try:
        pictures = _pictures(run.summary, {line.id: line for line in shown})
        problem = ""
    except VL2Error as error:
        pictures, problem = {}, str(error)
    answers = [WrongAnswer(line=line, pictures=pictures.get(line.id, ())) for line in shown]
    return WrongAnswers(answers=answers, num_wrong=len(wrong), problem=problem)


def said_box(line: ScoredLine) -> Corners | None:
    """Return the box that an answer was read as, None when it was something else."""
    if line.box is None or not line.parsed:
        return None
    try:
        x1, y1, x2, y2 = map(float, line.parsed.split(","))
    except ValueError:
        return None
    return x1, y1, x2, y2


def _pictures(summary: Summary, wanted: Mapping[str, ScoredLine]) -> dict[str, tuple[str, ...]]:
    if summary.task not in TASKS:
        raise VL2Error(summary.task, "is no benchmark of this version")
    found: dict[str, tuple[str, ...]] = {}
    for row in open_rows(TASKS[summary.task], Path(summary.data), split=summary.split):
        if len(found) == len(wanted):
            break
        if row.id in wanted:
            found[row.id] = tuple(_shown(row, wanted[row.id], summary))
    return found


def _shown(row: Row, line: ScoredLine, summary: Summary) -> list[str]:
    try:
        row = row if summary.degradation is None else degraded(row, summary.degradation)
        return [_address(image, line) for image in row.images[:MOST_IMAGES]]
    except VL2Error:  # a broken image is one of the reasons why an answer is missing
        return []


def _address(image: ImageSource, line: ScoredLine) -> str:
    boxes = [(box, colour) for box, colour in ((line.box, "green"), (said_box(line), "red")) if box is not None]
    return "data:image/jpeg;base64," + base64.b64encode(thumbnail(image, SIDE, boxes)).decode()
