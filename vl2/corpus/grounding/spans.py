"""Spans: phrases of a caption, by their characters, with the boxes of what they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Part, TextPart
from vl2.corpus.grounding.targets import Size, is_plain, to_box
from vl2.data.faults import RowError

Span = tuple[int, int, tuple[Box, ...]]  # start, end, boxes


def read_spans(told: Any, caption: str, size: Size) -> list[Span]:
    """Read `[start, end, x1, y1, x2, y2]` in characters and pixels; entries of one phrase are joined.

    What has no box left, or cannot be a marked phrase, is no span. Raises RowError on what is no such list.
    """
    found: dict[tuple[int, int], set[Box]] = {}
    try:
        for start, end, *corners in told:
            box = to_box([float(value) for value in corners], size)
            if box is not None and 0 <= start < end <= len(caption):
                found.setdefault((int(start), int(end)), set()).add(box)
    except (TypeError, ValueError):
        raise RowError("spans are no lists of six numbers") from None
    spans = [(start, end, tuple(sorted(boxes, key=_by_row))) for (start, end), boxes in found.items()]
    return [span for span in spans if is_plain(caption[span[0] : span[1]])]


def drop_overlapping(spans: Sequence[Span]) -> list[Span]:
    """Return spans that do not overlap, in order: of two the longer one, of equals the first."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda one: (one[0] - one[1], one[0])):
        if all(span[1] <= other[0] or other[1] <= span[0] for other in kept):
            kept.append(span)
    return sorted(kept)


def inline(caption: str, spans: Sequence[Span]) -> tuple[Part, ...]:
    """Return the caption in parts; the texts and labels of all parts joined are the caption."""
    parts: list[Part] = []
    at = 0
    for start, end, boxes in spans:
        parts += [TextPart(caption[at:start]), BoxesPart(caption[start:end], boxes)]
        at = end
    return tuple(part for part in (*parts, TextPart(caption[at:])) if part != TextPart(""))


def stripped(parts: Sequence[Part]) -> str:
    """Return what is left of an answer without its marks and boxes."""
    return "".join(part.label if isinstance(part, BoxesPart) else getattr(part, "text", "") for part in parts)


def _by_row(box: Box) -> tuple[int, int, int, int]:
    return box.y1, box.x1, box.y2, box.x2
