"""Boxed images: annotations of any detection format to Samples that ask where something is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImageSource, Message, Sample
from vl2.data.faults import Fault
from vl2.data.records.turns import question_of

NO_BOX = Fault("a box that is empty or outside its image")


def boxed_samples(name: str, image: ImageSource, boxes: Sequence[tuple[str, Box]]) -> Iterator[Sample]:
    """Yield one Sample a label: its question, and all its boxes from top to bottom, left to right."""
    for label in dict.fromkeys(label for label, _ in boxes):
        found = in_reading_order(box for other, box in boxes if other == label)
        yield boxed_sample(f"{name}:{label}", image, label, found)


def in_reading_order(boxes: Iterable[Box]) -> list[Box]:
    """Return boxes from top to bottom, left to right: one order, that of a target as of what it is compared with."""
    return sorted(boxes, key=lambda box: (box.y1, box.x1, box.y2, box.x2))


def boxed_sample(name: str, image: ImageSource, label: str, boxes: Sequence[Box]) -> Sample:
    """Return the question where `label` is and its answer in boxes."""
    answer = Message("assistant", (BoxesPart(label, tuple(boxes)),))
    return Sample(name, (question_of(label), answer), images=(image,))


def box_within(x1: float, y1: float, x2: float, y2: float, width: float, height: float) -> Box | None:
    """Return the part of a box that lies inside its image; None when nothing of it does."""
    if not all(map(math.isfinite, (x1, y1, x2, y2, width, height))):  # JSON files hold NaN
        return None
    left, right = sorted((x1 / width, x2 / width))
    top, bottom = sorted((y1 / height, y2 / height))
    left, top, right, bottom = max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)
    if not (left < right and top < bottom):
        return None
    return Box.from_pixels(left, top, right, bottom, width=1, height=1)
