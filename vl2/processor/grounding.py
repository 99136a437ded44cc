"""Boxes to strings and back: `<|ref|>label<|/ref|><|det|>[[x1, y1, x2, y2], ..]<|/det|>` (paper, section 3.2).

What a model writes is untrusted: it is read in linear time, nothing in it is evaluated, and whatever is not as it
should be becomes a problem of its span, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vl2.core.boxes import BOX_SCALE, Box
from vl2.processor.marks import DET, DET_END, REF, REF_END

_PAIRED = frozenset((REF, REF_END, DET, DET_END))
# the four marks, and any other special token, where a span that is not closed ends at the latest
_MARK = re.compile(r"<\|/?[^|<>]{1,32}\|>|<｜[^｜<>]{1,32}｜>")
_NUMBER = re.compile(r"([-+]?)([0-9]*)(\.[0-9]*)?")
BOX_CHARACTERS = re.compile(r"[\[\]0-9.,\s+-]*")  # where boxes are not closed, they go on so far
_MOST_DIGITS = 9  # longer numbers are clamped unread: int() of a megabyte of digits would take minutes


@dataclass(frozen=True, kw_only=True)
class Span:
    """A piece of an answer; the texts of all spans joined are the answer.

    Plain text has no label. A grounded phrase has a label (empty when only boxes were written), its boxes, and the
    problems that reading it met.
    """

    text: str
    label: str | None = None
    boxes: tuple[Box, ...] = ()
    problems: tuple[str, ...] = ()


def render(label: str, boxes: Sequence[Box]) -> str:
    """Return a grounded phrase as the model writes it; without boxes only the marked label."""
    return f"{REF}{label}{REF_END}{render_boxes(boxes)}"


def render_boxes(boxes: Sequence[Box]) -> str:
    """Return the boxes between their marks; of no boxes, nothing."""
    return f"{DET}[{', '.join(str(list(box.thousandths())) for box in boxes)}]{DET_END}" if boxes else ""


def parse(text: str) -> tuple[Span, ...]:
    """Read the grounded phrases of an answer. Never raises; the time is linear in the text."""
    return tuple(_spans(text))


def _spans(text: str) -> Iterator[Span]:
    marks = list(_MARK.finditer(text))
    number = position = 0
    while number < len(marks):
        mark = marks[number]
        if mark.group() not in (REF, DET):  # an end without a start, or another special token: text
            number += 1
            continue
        if mark.start() > position:
            yield Span(text=text[position : mark.start()])
        span, number = _Reader(text, marks, number).read()
        position = mark.start() + len(span.text)
        yield span
    if position < len(text):
        yield Span(text=text[position:])


class _Reader:
    """Read one grounded phrase that starts at mark `number`."""

    def __init__(self, text: str, marks: list[re.Match[str]], number: int) -> None:
        self.text = text
        self.marks = marks
        self.number = number
        self.start = marks[number].start()
        self.problems: dict[str, None] = {}  # ordered, each kind once

    def read(self) -> tuple[Span, int]:
        """Return the span and the number of the first mark after it."""
        label, boxes = "", ()
        has_boxes, end = True, self.start
        if self._is(self.number, REF):
            label, end = self._label()
            has_boxes = self._is(self.number, DET) and not self.text[end : self.marks[self.number].start()].strip()
        else:
            self._note("boxes without a label")
        if has_boxes:
            boxes, end = self._boxes()
        else:
            self._note("a label without boxes")
        problems = tuple(self.problems)
        return Span(text=self.text[self.start : end], label=label, boxes=boxes, problems=problems), self.number

    def _label(self) -> tuple[str, int]:
        """Return the label and where it ends; step to the mark after it."""
        begin = self.marks[self.number].end()
        paired = self._next_paired()
        if self._is(paired, REF_END):
            self.number = paired + 1
            return self.text[begin : self.marks[paired].start()], self.marks[paired].end()
        self._note("the label is not closed")
        self.number += 1
        end = self._start_of(self.number)
        return self.text[begin:end], end

    def _boxes(self) -> tuple[tuple[Box, ...], int]:
        """Return the boxes and where they end; step to the mark after them."""
        begin = self.marks[self.number].end()
        paired = self._next_paired()
        if self._is(paired, DET_END):
            self.number = paired + 1
            body, end = self.text[begin : self.marks[paired].start()], self.marks[paired].end()
        else:
            self._note("the boxes are not closed")
            self.number += 1
            found = BOX_CHARACTERS.match(self.text, begin, self._start_of(self.number))
            body = found.group() if found else ""
            body = body[: body.index("]]") + 2] if "]]" in body else body.rstrip("+-., \t\r\n")
            end = begin + len(body)
        return self._read_body(body), end

    def _read_body(self, body: str) -> tuple[Box, ...]:
        """Read lists of numbers, however deep their brackets are nested."""
        trimmed = body.strip()
        if not (trimmed.startswith("[[") and trimmed.endswith("]]")):
            self._note("brackets are missing")
        boxes: list[Box] = []
        for group in re.split(r"[\[\]]", body):
            items = group.replace(",", " ").split()
            if not items:
                continue
            values = [self._coordinate(item) for item in items]
            numbers = [value for value in values if value is not None]
            if len(numbers) < len(values):
                self._note("something that is not a number")
                continue
            if len(numbers) != 4:
                self._note("a list that has not four numbers")
            boxes += [self._box(*numbers[at : at + 4]) for at in range(0, len(numbers) - 3, 4)]
        if not boxes:
            self._note("no boxes")
        return tuple(boxes)

    def _box(self, x1: int, y1: int, x2: int, y2: int) -> Box:
        if x1 > x2 or y1 > y2:
            self._note("corners in the wrong order")
        return Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))

    def _coordinate(self, item: str) -> int | None:
        """Return a number cut to an integer and clamped to 0..999; None when it is none."""
        found = _NUMBER.fullmatch(item)
        if found is None or not any(character.isdigit() for character in item[-2:]):
            return None
        sign, whole, fraction = found.groups()
        if fraction:
            self._note("a coordinate with a fraction")
        whole = whole.lstrip("0")
        value = int(whole or 0) if len(whole) <= _MOST_DIGITS else BOX_SCALE + 1
        value = -value if sign == "-" else value
        if not 0 <= value <= BOX_SCALE:
            self._note("a coordinate out of 0..999")
        return max(0, min(BOX_SCALE, value))

    def _next_paired(self) -> int:
        """Return the number of the next of the four marks; other special tokens may stand in between."""
        number = self.number + 1
        while number < len(self.marks) and self.marks[number].group() not in _PAIRED:
            number += 1
        return number

    def _is(self, number: int, mark: str) -> bool:
        return number < len(self.marks) and self.marks[number].group() == mark

    def _start_of(self, number: int) -> int:
        return self.marks[number].start() if number < len(self.marks) else len(self.text)

    def _note(self, problem: str) -> None:
        self.problems[problem] = None
