"""The first box of an answer against the true one (RefCOCO)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Literal

from vl2.core.boxes import BOX_SCALE
from vl2.processor.marks import DET, DET_END

PixelBox = tuple[float, float, float, float]  # x1, y1, x2, y2
BoxDialect = Literal["canonical", "vlmevalkit", "lmms"]
HIT_IOU = 0.5
THOUSAND = 1000.0
MOST_READ = 1 << 16  # letters of an answer; no model says more, only one that does not stop
UNIT = 1.5  # vlmevalkit takes numbers up to here for shares of the sides
# digits are never given back (`++`), or an endless number would be read over and over
_NUMBER = r"(-?\d++(?:\.\d++)?)"
_FOUR = r"\s*,\s*".join([_NUMBER] * 4)
_STRICT = re.compile(rf"\s*\[\s*\[\s*{_FOUR}\s*\](?:\s*,\s*\[[-\d.,\s]*\])*\s*\]\s*")
_BRACKETED = re.compile(r"\[\s*" + r",\s*".join([_NUMBER] * 4) + r"\s*\]")  # no space before a comma
_LOOSE_NUMBER = re.compile(r"([-+]?(?:\d++(?:\.\d++)?+|\.\d++)(?:[eE][-+]?\d++)?+)")
_LOOSE = re.compile(r"\[\s*" + r"(?:\s*,\s*|\s+)".join([_LOOSE_NUMBER.pattern] * 4) + r"\s*\]")


def first_box(said: str, width: float, height: float, dialect: BoxDialect = "canonical") -> PixelBox | None:
    """Return the first box in pixels of the image, None when there is none that can be read.

    canonical: lists of four numbers in 0..999 between their marks, and nothing else there; they are taken as they are,
    where `grounding.parse` would clamp and sort them. vlmevalkit: four numbers in brackets or else the first four
    anywhere, as shares, in thousandths or in pixels by the largest of them, clipped and then sorted. lmms: four numbers
    in brackets, in 0..1.
    """
    said = said[:MOST_READ]
    match dialect:
        case "canonical":
            return _strict(said, width, height)
        case "vlmevalkit":
            return _generic(said, width, height)
        case "lmms":
            x1, y1, x2, y2 = bracketed(said)
            return x1 * width, y1 * height, x2 * width, y2 * height


def bracketed(said: str) -> PixelBox:
    """Return the first four numbers that brackets hold, zeros when there are none."""
    found = _BRACKETED.search(said)
    return _box(found.groups()) if found else (0.0, 0.0, 0.0, 0.0)


def iou(first: PixelBox, second: PixelBox) -> float:
    """Return intersection over union; corners in the wrong order share nothing."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(first) + _area(second) - shared)


def hit(found: PixelBox | None, gold: PixelBox) -> bool:
    """Tell whether a box shares half of the union with the true one (accuracy at 0.5)."""
    return found is not None and iou(found, gold) >= HIT_IOU


def corners(x: float, y: float, width: float, height: float) -> PixelBox:
    """Return x1, y1, x2, y2 of a corner and a size, as COCO has them."""
    return x, y, x + width, y + height


def _strict(said: str, width: float, height: float) -> PixelBox | None:
    begin = said.find(DET)
    end = said.find(DET_END, begin)
    if begin < 0 or end < 0:
        return None
    found = _STRICT.fullmatch(said, begin + len(DET), end)
    return _scaled(_box(found.groups()), width / BOX_SCALE, height / BOX_SCALE) if found else None


def _generic(said: str, width: float, height: float) -> PixelBox | None:
    listed = _LOOSE.search(said)
    numbers = listed.groups() if listed else [found.group() for found in islice(_LOOSE_NUMBER.finditer(said), 4)]
    if len(numbers) < 4:
        return None
    box = _box(numbers)
    largest = max(map(abs, box))
    if largest <= THOUSAND:
        scale = 1.0 if largest <= UNIT else THOUSAND
        box = _scaled(box, width / scale, height / scale)
    x1, y1, x2, y2 = box
    left, right = sorted((min(max(x1, 0.0), width), min(max(x2, 0.0), width)))
    top, bottom = sorted((min(max(y1, 0.0), height), min(max(y2, 0.0), height)))
    return left, top, right, bottom


def _box(numbers: Sequence[str]) -> PixelBox:
    x1, y1, x2, y2 = map(float, numbers)
    return x1, y1, x2, y2


def _scaled(box: PixelBox, x: float, y: float) -> PixelBox:
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def _area(box: PixelBox) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
