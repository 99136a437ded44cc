"""The answers that were wrong, with their pictures: bounded in number and in bytes."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.degradation import degraded
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.results import Results
from vl2.evaluation.row import Row
from vl2.evaluation.summary import ScoredLine, Summary
from vl2.evaluation.tasks import TASKS
from vl2.processor.grounding import parse
from vl2.processor.images import image_size
from vl2.processor.thumbnail import thumbnail

MOST_WRONG = 40  # a run
MOST_IMAGES = 4  # an answer
MOST_BOXES = 40  # an image
MOST_BYTES = 2 << 20  # of the pictures of a run
SIDE = 320
GOLD, SAID = "#1a9850", "#d7301f"
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class WrongAnswer:
    """One line of a run and what was shown."""

    line: ScoredLine
    pictures: tuple[str, ...]  # data URLs


@dataclass(frozen=True, kw_only=True)
class WrongAnswers:
    """Some wrong answers of a run, and why there may be no pictures."""

    answers: Sequence[WrongAnswer]
    num_wrong: int
    problem: str = ""


def wrong_answers(run: Results) -> WrongAnswers:
    """Return answers without credit, their pictures read again from where the rows lay."""
    wrong = [line for line in run.lines if not line.credit]
    shown = spread(wrong, MOST_WRONG)
    try:
        pictures = _pictures(run.summary, {line.id: line for line in shown if line.num_images})
        problem = ""
    except VL2Error as error:
        pictures, problem = {}, str(error)
    answers = [WrongAnswer(line=line, pictures=pictures.get(line.id, ())) for line in shown]
    return WrongAnswers(answers=answers, num_wrong=len(wrong), problem=problem)


def spread(lines: Sequence[ScoredLine], most: int) -> list[ScoredLine]:
    """Return at most so many lines, of every category and state in turn, in the order of the run."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for place, line in enumerate(lines):
        kinds.setdefault((line.category, line.state), []).append(place)
    turns = sorted((turn, place) for places in kinds.values() for turn, place in enumerate(places))
    return [lines[place] for place in sorted(place for _, place in turns[:most])]


def said_box(line: ScoredLine) -> Corners | None:
    """Return the box in pixels that an answer was read as, None when it was something else."""
    if line.box is None or not line.parsed:
        return None
    try:
        x1, y1, x2, y2 = map(float, line.parsed.split(","))
    except ValueError:
        return None
    return (x1, y1, x2, y2) if all(map(math.isfinite, (x1, y1, x2, y2))) else None


def _pictures(summary: Summary, wanted: Mapping[str, ScoredLine]) -> dict[str, tuple[str, ...]]:
    if summary.task not in TASKS:
        raise VL2Error(summary.task, "is no benchmark of this version")
    found: dict[str, tuple[str, ...]] = {}
    room = MOST_BYTES
    for row in open_rows(TASKS[summary.task], Path(summary.data), split=summary.split) if wanted else ():
        if row.id in wanted and row.id not in found:
            shown = tuple(_shown(row, wanted[row.id], summary))
            room -= sum(map(len, shown))
            found[row.id] = shown if room >= 0 else ()
        if len(found) == len(wanted) or room < 0:
            break
    return found


def _shown(row: Row, line: ScoredLine, summary: Summary) -> Iterator[str]:
    try:
        row = row if summary.degradation is None else degraded(row, summary.degradation)
        for number, image in enumerate(row.images[:MOST_IMAGES], start=1):
            boxes = _boxes(row, line, image) if number == len(row.images) else []  # what is asked for is in the last
            yield "data:image/jpeg;base64," + base64.b64encode(thumbnail(image, SIDE, boxes)).decode()
    except VL2Error:  # a broken image is one of the reasons why an answer is missing
        return


def _boxes(row: Row, line: ScoredLine, image: ImageSource) -> list[tuple[Corners, str]]:
    """Return true and said boxes in pixels, by what the verdict compared, else by what is written."""
    said = said_box(line)
    if line.box is not None:
        return [(line.box, GOLD), *([(said, SAID)] if said else [])]
    gold = row.fields.get("boxes", ())
    found = [(box, GOLD) for box in gold] + [(box, SAID) for span in parse(line.said) for box in span.boxes]
    width, height = image_size(image)
    return [(_in_pixels(box, width, height), colour) for box, colour in found[:MOST_BOXES]]


def _in_pixels(box: Box, width: int, height: int) -> Corners:
    x1, y1, x2, y2 = box.unit()
    return x1 * width, y1 * height, x2 * width, y2 * height
