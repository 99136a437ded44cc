"""Grounded: the phrases and boxes of one answer on the wire, as they come."""

from __future__ import annotations

from typing import Any

from vl2.core.boxes import Box
from vl2.processor.grounding_stream import GroundingStream, Piece
from vl2.serve.ask import Ask, box_in


class Grounded:
    """Turn the pieces of one answer into entries {ref, span, boxes, image, problems, complete}.

    `span` is where the phrase stands in the raw text, in characters. A phrase under way is told with the boxes so
    far, again with every box, and last when it is complete: of entries that begin at the same place the last holds.
    """

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self._stream = GroundingStream()
        self._start = 0  # of the phrase under way
        self._early: list[Box] = []

    def push(self, text: str) -> list[dict[str, Any]]:
        """Return what this text made known."""
        return self._entries(self._stream.push(text))

    def finish(self) -> list[dict[str, Any]]:
        """Return what was held back: no more text comes."""
        return self._entries(self._stream.finish())

    def _entries(self, pieces: tuple[Piece, ...]) -> list[dict[str, Any]]:
        return [entry for piece in pieces if (entry := self._entry(piece)) is not None]

    def _entry(self, piece: Piece) -> dict[str, Any] | None:
        span = piece.span
        if piece.is_early:
            self._early += span.boxes
            return self._wire(span.label or "", (self._start, piece.stop), self._early, (), complete=False)
        self._start, self._early = piece.stop, []
        if span.label is None:
            return None
        return self._wire(span.label, (piece.start, piece.stop), span.boxes, span.problems, complete=True)

    def _wire(
        self, label: str, place: tuple[int, int], boxes: Any, problems: tuple[str, ...], *, complete: bool
    ) -> dict[str, Any]:
        shown = self.ask.shown
        image = shown[1] if shown else None
        return {
            "ref": label,
            "span": list(place),
            "boxes": [box_in(box, self.ask.box_unit, image) for box in boxes],
            "image": shown[0] if shown else None,
            "problems": list(problems),
            "complete": complete,
        }
