"""Boxes: where the boxes of a row stand over its pictures, those that are said and those that are annotated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from vl2.core.boxes import Box
from vl2.core.errors import ImageError
from vl2.core.sample import BoxesPart, Sample, SceneObject
from vl2.processor import image_size

MOST_MARKS = 200  # over one picture
MOST_SAID, MOST_OBJECTS = 200, 1000  # of a row: each is compared with each
SAME = 0.85  # intersection over union: thousandths of a small box are coarse
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One box over a picture; corners in 0..1. `number` counts what is said, and is -1 for annotated boxes."""

    label: str
    corners: Corners
    number: int = -1


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image of a row: its size in pixels, None when it cannot be shown, and the boxes over it."""

    size: tuple[int, int] | None
    marks: tuple[Mark, ...] = ()


def pictures_of(sample: Sample) -> list[Picture]:
    """Return the images of a row with their boxes; what is said and annotated alike stands there as said."""
    sizes = [_size_of(sample, number) for number in range(len(sample.images))]
    annotated = [
        (item, corners) for item in sample.objects[:MOST_OBJECTS] if (corners := _unit(item, sizes)) is not None
    ]
    said: list[list[Mark]] = [[] for _ in sizes]
    for number, label, box in islice(said_boxes(sample), MOST_SAID):
        if sizes:
            said[_image_of(label, box, annotated)].append(Mark(label=label, corners=box.unit(), number=number))
    return [
        Picture(size=size, marks=tuple(_joined(said[image], [found for found in annotated if found[0].image == image])))
        for image, size in enumerate(sizes)
    ]


def said_boxes(sample: Sample) -> Iterator[tuple[int, str, Box]]:
    """Yield the boxes of a conversation in order, numbered, with their labels."""
    parts = (part for message in sample.messages for part in message.parts if isinstance(part, BoxesPart))
    pairs = ((part.label, box) for part in parts for box in part.boxes)
    return ((number, label, box) for number, (label, box) in enumerate(pairs))


def _joined(said: list[Mark], annotated: list[tuple[SceneObject, Corners]]) -> list[Mark]:
    others = [Mark(label=item.label, corners=corners) for item, corners in annotated
              if not any(_is_same(mark.corners, corners) for mark in said)]  # fmt: skip
    marks = [*said, *others][:MOST_MARKS]
    return sorted(marks, key=lambda mark: -_area(mark.corners))  # small ones above large ones


def _image_of(label: str, box: Box, annotated: list[tuple[SceneObject, Corners]]) -> int:
    """Return the image in which this is annotated: boxes of a conversation do not name theirs. Else the first."""
    same = [item for item, corners in annotated if _is_same(box.unit(), corners)]
    named = [item for item in same if item.label.strip() == label.strip()]
    return next((item.image for item in [*named, *same]), 0)


def _unit(item: SceneObject, sizes: list[tuple[int, int] | None]) -> Corners | None:
    size = sizes[item.image] if 0 <= item.image < len(sizes) else None
    if size is None:
        return None
    x1, y1, x2, y2 = (min(max(corner / side, 0.0), 1.0) for corner, side in zip(item.box, (*size, *size), strict=True))
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _is_same(one: Corners, other: Corners) -> bool:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    union = _area(one) + _area(other) - width * height
    return width * height >= SAME * union if union else one == other


def _area(corners: Corners) -> float:
    return (corners[2] - corners[0]) * (corners[3] - corners[1])


def _size_of(sample: Sample, number: int) -> tuple[int, int] | None:
    try:
        return image_size(sample.images[number])
    except ImageError:
        return None
