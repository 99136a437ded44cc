"""The first box of an answer against the true one (RefCOCO)."""

from __future__ import annotations

import re
from typing import Literal

from vl2.core.boxes import BOX_SCALE
from vl2.processor.marks import DET, DET_END

PixelBox = tuple[float, float, float, float]  # x1, y1, x2, y2
BoxDialect = Literal["canonical", "vlmevalkit", "lmms"]
HIT_IOU = 0.5
THOUSAND = 1000.0
_DIGITS = r"-?\d{1,12}(?:\.\d{1,12})?"
_FOUR = rf"({_DIGITS})\s*,\s*({_DIGITS})\s*,\s*({_DIGITS})\s*,\s*({_DIGITS})"
_STRICT = re.compile(rf"\s*\[\s*\[\s*{_FOUR}\s*\](?:\s*,\s*\[[-\d.,\s]*\])*\s*\]\s*")
_BRACKETED = re.compile(rf"\[\s*{_FOUR}\s*\]")
_ANYWHERE = re.compile(rf"(?<![\d.]){_FOUR}")


def first_box(said: str, width: float, height: float, dialect: BoxDialect = "canonical") -> PixelBox | None:
    """Return the first box in pixels of the image, None when there is none that can be read.

    canonical: lists of four numbers in 0..999 between their marks, and nothing else there. vlmevalkit: the first four
    numbers anywhere, in thousandths or, when one is larger, in pixels, corners sorted and clipped. lmms: four numbers
    in brackets, in 0..1.
    """
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
    return _numbers(_BRACKETED.search(said)) or (0.0, 0.0, 0.0, 0.0)


def iou(first: PixelBox, second: PixelBox) -> float:
    """Return intersection over union; corners in the wrong order share nothing."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(first) + _area(second) - shared)


def corners(x: float, y: float, width: float, height: float) -> PixelBox:
    """Return x1, y1, x2, y2 of a corner and a size, as COCO has them."""
    return x, y, x + width, y + height


def _strict(said: str, width: float, height: float) -> PixelBox | None:
    begin = said.find(DET)
    end = said.find(DET_END, begin)
    if begin < 0 or end < 0:
        return None
    found = _numbers(_STRICT.fullmatch(said, begin + len(DET), end))
    return found and _scaled(found, width / BOX_SCALE, height / BOX_SCALE)


def _generic(said: str, width: float, height: float) -> PixelBox | None:
    found = _numbers(_ANYWHERE.search(said))
    if found is None:
        return None
    if max(found) <= THOUSAND:
        scale = 1.0 if max(found) <= 1 else THOUSAND
        found = _scaled(found, width / scale, height / scale)
    x1, y1, x2, y2 = found
    left, right = sorted((min(max(x1, 0.0), width), min(max(x2, 0.0), width)))
    top, bottom = sorted((min(max(y1, 0.0), height), min(max(y2, 0.0), height)))
    return left, top, right, bottom


def _numbers(found: re.Match[str] | None) -> PixelBox | None:
    if found is None:
        return None
    x1, y1, x2, y2 = map(float, found.groups())
    return x1, y1, x2, y2


def _scaled(box: PixelBox, x: float, y: float) -> PixelBox:
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def _area(box: PixelBox) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
