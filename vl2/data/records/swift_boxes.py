"""Boxes as ms-swift writes them: `<ref-object>` and `<bbox>` in the text, filled in turn from `objects`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImageSource, Part, TextPart
from vl2.data.faults import RowError
from vl2.data.records.turns import split_at_images, text_of
from vl2.processor.grounding import render_boxes
from vl2.processor.images import image_size

_PLACE = re.compile(r"<ref-object>(?:\s*<bbox>)?|<bbox>")


def swift_turn_reader(objects: Any, images: Sequence[ImageSource]) -> Callable[[str], tuple[Part, ...]]:
    """Return what turns the texts of a row into parts, one after the other; without objects, places are text."""
    if not objects:
        return split_at_images
    if not isinstance(objects, Mapping):
        raise RowError("objects are not a mapping", got=type(objects).__name__)
    labels, boxes = iter(objects.get("ref") or ()), _boxes(objects, images)

    def read(text: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        end = 0
        for place in _PLACE.finditer(text):
            parts += split_at_images(text[end : place.start()])
            parts.append(_filled(place.group(), labels, boxes))
            end = place.end()
        return (*parts, *split_at_images(text[end:]))

    return read


def _filled(place: str, labels: Iterator[Any], boxes: Iterator[Box]) -> Part:
    try:
        if not place.startswith("<ref-object>"):
            return TextPart(render_boxes((next(boxes),)))
        label = text_of(next(labels))
        return BoxesPart(label, (next(boxes),) if place.endswith("<bbox>") else ())
    except StopIteration:
        raise RowError("boxes do not match their places") from None


def _boxes(objects: Mapping[str, Any], images: Sequence[ImageSource]) -> Iterator[Box]:
    """Yield the boxes; pixels of the image that `image_id` names, or shares of it when `bbox_type` is norm1."""
    kind = objects.get("bbox_type") or "real"
    if kind not in ("real", "norm1"):
        raise RowError("unknown bbox_type", got=repr(kind)[:40], expected="real or norm1")
    corners = objects.get("bbox") or ()
    numbers = objects.get("image_id") or [0] * len(corners)
    for corner, number in zip(corners, numbers, strict=False):
        if len(corner) != 4:
            raise RowError("a box has not four numbers", got=len(corner))
        if not isinstance(number, int) or not 0 <= number < len(images):
            raise RowError("a box of an image that is not there", got=repr(number)[:40])
        width, height = image_size(images[number]) if kind == "real" else (1, 1)
        yield Box.from_pixels(*map(float, corner), width=width, height=height)
