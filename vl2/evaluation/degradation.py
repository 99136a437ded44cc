"""Degradation: a row as it is shown in corruption mode, its box and sizes moved along with the picture."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from vl2.core.sample import ImageSource
from vl2.evaluation.image_file import bytes_of
from vl2.evaluation.row import Row
from vl2.evaluation.summary import Degradation
from vl2.processor.degrade import Size, degrade, degrade_box
from vl2.processor.images import image_size


def degraded(row: Row, degradation: Degradation) -> Row:
    """Return a row whose images are worse; the same row always gets the same images. Raises ImageError."""
    moved = moved_along(row, degradation)
    images = [
        replace(image, path=None, data=degrade(bytes_of(source), degradation.kind, degradation.level, seed))
        for source, image, seed in zip(row.images, moved.images, _seeds(row), strict=True)
    ]
    return replace(moved, images=tuple(images))


def moved_along(row: Row, degradation: Degradation) -> Row:
    """Return a row whose box and known sizes are those of its worse images. Raises ImageError."""
    if row.box is None:
        return row
    seeds = _seeds(row)
    images = [_resized(image, degradation, seed) for image, seed in zip(row.images, seeds, strict=True)]
    shown = row.images[0]
    size = (shown.width, shown.height) if shown.width and shown.height else image_size(shown)
    box = degrade_box(row.box, size, degradation.kind, degradation.level, seeds[0])
    return replace(row, box=box, images=tuple(images))


def _resized(image: ImageSource, degradation: Degradation, seed: int) -> ImageSource:
    if not image.width or not image.height:
        return image
    width, height = _canvas((image.width, image.height), degradation, seed)
    return replace(image, width=width, height=height)


def _canvas(size: Size, degradation: Degradation, seed: int) -> Size:
    """Return the size of a worse image: a turned one lies in the middle of its canvas."""
    whole = 0.0, 0.0, float(size[0]), float(size[1])
    x1, y1, x2, y2 = degrade_box(whole, size, degradation.kind, degradation.level, seed)
    return round(x1 + x2), round(y1 + y2)


def _seeds(row: Row) -> list[int]:
    digests = [
        hashlib.sha256(f"{row.id}/{number}".encode(errors="backslashreplace")).digest()
        for number in range(len(row.images))
    ]
    return [int.from_bytes(digest[:4], "big") for digest in digests]
