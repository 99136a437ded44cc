"""Degradation: a row as it is shown in corruption mode, its box moved along with the picture."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from vl2.core.sample import ImageSource
from vl2.evaluation.image_file import bytes_of
from vl2.evaluation.row import Row
from vl2.evaluation.summary import Degradation
from vl2.processor.images import image_size

LEVELS = range(1, 6)


def degraded(row: Row, degradation: Degradation) -> Row:
    """Return a row whose images are worse; the same row always gets the same images. Raises ImageError."""
    from vl2.processor.degrade import degrade

    kind, level = degradation.kind, degradation.level
    images = [
        ImageSource(data=degrade(bytes_of(image), kind, level, seed_of(row, number)))
        for number, image in enumerate(row.images)
    ]
    return replace(row, images=tuple(images))


def degraded_box(row: Row, degradation: Degradation) -> tuple[float, float, float, float] | None:
    """Return where the box of a row is in its first image when that is worse. Raises ImageError."""
    from vl2.processor.degrade import degrade_box

    if row.box is None:
        return None
    return degrade_box(row.box, image_size(row.images[0]), degradation.kind, degradation.level, seed_of(row, 0))


def seed_of(row: Row, number: int) -> int:
    """Return the seed of one image of a row."""
    return int.from_bytes(hashlib.sha256(f"{row.id}/{number}".encode()).digest()[:4], "big")
