"""Geometry: the ways in which sets write boxes, all to corners in pixels: x1, y1, x2, y2 from the top left.

Boxes are kept as annotated, also where they are empty or reach beyond the image: a step that asks for everything with a
label has to know that one of them cannot be told. Numbers that are none are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource
from vl2.data.faults import RowError
from vl2.processor import image_size

Corners = tuple[float, float, float, float]
Size = tuple[float, float]  # width and height in pixels


def four(told: Any) -> Corners:
    """Return four finite numbers. Raises RowError on anything else."""
    try:
        a, b, c, d = map(float, told)
    except (TypeError, ValueError, OverflowError):
        raise RowError("a box is not four numbers") from None
    if not all(math.isfinite(value) and abs(value) < 1e9 for value in (a, b, c, d)):
        raise RowError("a box is not four numbers")
    return a, b, c, d


def from_xywh(told: Any) -> Corners:
    """Return the corners of `[x, y, width, height]` in pixels."""
    x, y, width, height = four(told)
    return x, y, x + width, y + height


def from_inclusive(told: Any) -> Corners:
    """Return the corners of pixels counted from 1, both ends within the box."""
    x1, y1, x2, y2 = four(told)
    return x1 - 1, y1 - 1, x2, y2


def from_grid(told: Any, size: Size, steps: float = 1) -> Corners:
    """Return the corners of shares of the image, in `steps` steps: 1, 100 or 1000."""
    x1, y1, x2, y2 = four(told)
    width, height = size[0] / steps, size[1] / steps
    return x1 * width, y1 * height, x2 * width, y2 * height


def from_padded(told: Any, size: Size, steps: float = 1000) -> Corners:
    """Return the corners of shares of the square around the image, which lies in its middle."""
    side = max(size)
    left, top = (side - size[0]) / 2, (side - size[1]) / 2
    x1, y1, x2, y2 = from_grid(told, (side, side), steps)
    return x1 - left, y1 - top, x2 - left, y2 - top


def from_bottom(told: Any, page: Corners, scale: float = 1) -> Corners:
    """Return the corners of points counted from the bottom left, on a page `[x1, y1, x2, y2]`, `scale` pixels each."""
    x1, y1, x2, y2 = four(told)
    left, _, _, top = page
    return (x1 - left) * scale, (top - y2) * scale, (x2 - left) * scale, (top - y1) * scale


def around(points: Sequence[Sequence[float]]) -> Corners:
    """Return the box around points."""
    xs, ys = zip(*((float(x), float(y)) for x, y in points), strict=True)
    return four((min(xs), min(ys), max(xs), max(ys)))


def outline_of(polygons: Any) -> list[float]:
    """Return the longest of a segmentation's polygons, flat; nothing of a run-length code."""
    if not isinstance(polygons, list):
        return []
    flat = [one for one in polygons if isinstance(one, list) and len(one) >= 6]
    return [float(value) for value in max(flat, key=len)] if flat else []


def check_size(image: ImageSource, told: Size) -> None:
    """Raise RowError where boxes were told for an image of another size, as one that is shown turned.

    A missing image passes: it is rejected where images are read.
    """
    try:
        size = image_size(image)
    except ImageError:
        return
    if size != (round(told[0]), round(told[1])):
        raise RowError("an image is not of the size that its boxes were told for", got=size, expected=told)
