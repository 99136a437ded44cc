"""The grounded phrases of an answer while it is being written: the spans of `parse`, each as soon as it is certain.

Plain text leaves at once, except for what may begin a mark. A phrase is held until it is complete, because a mark that
comes later may change how it is read; its boxes are told ahead, one by one. What is held is looked at once, so that
the time is linear in the text however it is cut.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from vl2.processor.grounding import BOX_CHARACTERS, Span, parse
from vl2.processor.marks import DET, DET_END, REF, REF_END

_PAIRED = (REF, REF_END, DET, DET_END)
_MARKS = re.compile("|".join(map(re.escape, _PAIRED)))
_LONGEST_BEGINNING = max(map(len, _PAIRED)) - 1
_PARTS = re.compile(r"[\[\]]|[^\[\]]+")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of an answer that is certain now. The texts of all pieces but the early ones, joined, are the answer.

    An early piece is one box of a phrase under way: its span has the label, the box (several where one list holds
    more than four numbers) and the numbers as written. The whole phrase follows in a piece of its own.
    """

    span: Span
    start: int  # where the text of the span begins in the raw answer, in characters
    is_early: bool = False

    @property
    def stop(self) -> int:
        """Return where the text of the span ends in the raw answer."""
        return self.start + len(self.span.text)


class GroundingStream:
    """Read one answer in pieces of any size; plain texts that follow each other joined, its spans are those of `parse`.

    Early boxes are the first of their phrase's boxes, and all of them when the phrase is well formed.
    """

    def __init__(self) -> None:
        self._phase = _Phase.PLAIN
        self._tail = ""  # the end of what came, which may yet become a mark
        self._held: list[str] = []  # the phrase under way
        self._position = 0  # of the first character that has not left
        self._boxes = _EarlyBoxes("", 0)

    def push(self, text: str) -> tuple[Piece, ...]:
        """Return what is certain after this text."""
        pieces: list[Piece] = []
        window = self._tail + text
        position = 0
        for mark in _MARKS.finditer(window):
            self._take(window[position : mark.start()], pieces)
            self._take_mark(mark.group(), pieces)
            position = mark.end()
        cut = len(window) - _beginning_length(window)
        self._take(window[position:cut], pieces)
        self._tail = window[cut:]
        if self._phase is _Phase.LABELLED and not DET.startswith(self._tail):
            self._complete(pieces)
        if self._phase is _Phase.PLAIN and not (REF.startswith(self._tail) or DET.startswith(self._tail)):
            self._take(self._tail, pieces)  # at most the end of a phrase, and none is open
            self._tail = ""
        return tuple(pieces)

    def finish(self) -> tuple[Piece, ...]:
        """Return what was held back: no more text comes."""
        pieces: list[Piece] = []
        self._take(self._tail, pieces)
        self._tail = ""
        self._complete(pieces)
        return tuple(pieces)

    def _take(self, text: str, pieces: list[Piece]) -> None:
        """Take text without a mark."""
        if not text:
            return
        if self._phase is _Phase.PLAIN:
            self._release(Span(text=text), pieces)
            return
        self._held.append(text)
        if self._phase is _Phase.BOXES:
            pieces += self._boxes.push(text)
        elif self._phase is _Phase.LABELLED and text.strip():  # only white space may stand before the boxes
            self._complete(pieces)

    def _take_mark(self, mark: str, pieces: list[Piece]) -> None:
        closes = {_Phase.LABEL: REF_END, _Phase.BOXES: DET_END}.get(self._phase)
        if mark == closes:
            self._held.append(mark)
            if mark == REF_END:
                self._phase = _Phase.LABELLED
            else:
                self._complete(pieces)
        elif mark == DET and self._held and self._phase is not _Phase.BOXES:
            self._behind_label(pieces)
        else:
            self._complete(pieces)
            self._begin(mark, pieces)

    def _behind_label(self, pieces: list[Piece]) -> None:
        """Take the mark before boxes: they belong to the label that is held, unless another mark stands between."""
        held = "".join((*self._held, DET))
        span = parse(held)[0]
        if span.text == held:
            self._open_boxes(held, span.label or "")
        else:
            self._complete(pieces)
            self._begin(DET, pieces)

    def _begin(self, mark: str, pieces: list[Piece]) -> None:
        """Take a mark while no phrase is under way; one that closes is text."""
        if mark == REF:
            self._held, self._phase = [mark], _Phase.LABEL
        elif mark == DET:
            self._open_boxes(mark, "")
        else:
            self._release(Span(text=mark), pieces)

    def _open_boxes(self, held: str, label: str) -> None:
        self._held, self._phase = [held], _Phase.BOXES
        self._boxes = _EarlyBoxes(label, self._position + len(held))

    def _complete(self, pieces: list[Piece]) -> None:
        """Let what is held go: a phrase, and plain text where the phrase turned out to end earlier."""
        for span in parse("".join(self._held)):
            self._release(span, pieces)
        self._held, self._phase = [], _Phase.PLAIN

    def _release(self, span: Span, pieces: list[Piece]) -> None:
        pieces.append(Piece(span=span, start=self._position))
        self._position += len(span.text)


class _Phase(enum.Enum):
    """Where in an answer the stream stands."""

    PLAIN = enum.auto()
    LABEL = enum.auto()  # behind the mark that opens a label
    LABELLED = enum.auto()  # behind the one that closes it
    BOXES = enum.auto()  # behind the one that opens boxes


class _EarlyBoxes:
    """Read the lists between brackets up to where a missing end would end the phrase: further on nothing is certain."""

    def __init__(self, label: str, start: int) -> None:
        self._label = label
        self._list: list[str] = []  # the list under way
        self._start = start  # of the list in the raw answer
        self._last = ""  # what came before: a bracket, or what stands between two
        self._is_over = False

    def push(self, text: str) -> list[Piece]:
        """Return the boxes of the lists that this text completes."""
        pieces: list[Piece] = []
        if self._is_over:
            return pieces
        found = BOX_CHARACTERS.match(text)
        end = found.end() if found else 0
        for part in _PARTS.findall(text[:end]):
            if part in ("[", "]"):
                pieces += self._read()
            else:
                self._list.append(part)
            self._is_over = self._last == part == "]"
            if self._is_over:
                break
            self._last = part
        self._is_over = self._is_over or end < len(text)
        return pieces

    def _read(self) -> list[Piece]:
        """Return the list that a bracket ends, as an early piece when it holds a box."""
        text = "".join(self._list)
        boxes = parse(f"{DET}[[{text}]]{DET_END}")[0].boxes if text.strip() else ()
        pieces = [Piece(span=Span(text=text, label=self._label, boxes=boxes), start=self._start, is_early=True)]
        self._list, self._start = [], self._start + len(text) + 1
        return pieces if boxes else []


def _beginning_length(text: str) -> int:
    """Return the length of the end of `text` that may become a mark."""
    start = text.rfind("<", max(0, len(text) - _LONGEST_BEGINNING))
    end = text[start:] if start >= 0 else ""
    return len(end) if any(mark != end and mark.startswith(end) for mark in _PAIRED) else 0
