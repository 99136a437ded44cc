"""Targets: objects in pixels to what the model is to write, checked by the parser that reads what it writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Message, Sample, SceneObject
from vl2.data.faults import RowError
from vl2.processor import image_size, parse, render
from vl2.processor.marks import ADDED_IN_ORDER

LONGEST_LABEL = 200  # characters
_SPECIAL = (*ADDED_IN_ORDER, "<|", "|>", "<｜", "｜>", "[[", "]]")
Size = tuple[int, int]


@dataclass(frozen=True)
class Target:
    """A label and where everything with it is, from top to bottom, left to right."""

    label: str
    boxes: tuple[Box, ...]


def targets_of(objects: Iterable[SceneObject], size: Size, most_boxes: int) -> list[Target]:
    """Return the labels of one image that can be asked for, in order of their first object.

    A label is left out when it cannot be written, when it has too many boxes for an answer, and when one of its boxes
    is empty in thousandths: the answer would be incomplete.
    """
    by_label: dict[str, list[Box | None]] = {}
    for item in objects:
        by_label.setdefault(item.label.strip(), []).append(to_box(item.box, size))
    targets: list[Target] = []
    for label, found in by_label.items():
        boxes = [box for box in found if box is not None]
        if is_plain(label) and len(boxes) == len(found):
            ordered = sorted(set(boxes), key=lambda box: (box.y1, box.x1, box.y2, box.x2))
            if len(ordered) <= most_boxes:
                targets.append(Target(label, tuple(ordered)))
    return targets


def to_box(corners: Sequence[float], size: Size) -> Box | None:
    """Return corners in pixels as a Box; None of what is no rectangle, is outside, or collapses in thousandths."""
    x1, y1, x2, y2 = corners
    if not all(map(math.isfinite, corners)) or not (x1 < x2 and y1 < y2):
        return None
    if x2 <= 0 or y2 <= 0 or x1 >= size[0] or y1 >= size[1]:
        return None
    box = Box.from_pixels(x1, y1, x2, y2, width=size[0], height=size[1])
    return box if box.x1 < box.x2 and box.y1 < box.y2 else None


def size_of(sample: Sample, image: int) -> Size:
    """Return width and height of an image as it is shown. Raises RowError without it, ImageError on a broken one."""
    if image >= len(sample.images):
        raise RowError("no image to ask about")
    return image_size(sample.images[image])


def is_plain(text: str) -> bool:
    """Tell whether a label can stand between marks and come back the same."""
    if not text or text != text.strip() or len(text) > LONGEST_LABEL or any(sign in text for sign in _SPECIAL):
        return False
    return text.isprintable()  # neither line breaks nor halves of surrogate pairs


def checked(sample: Sample) -> Sample:
    """Return the row when the strict parser reads its answers as they are meant. Raises RowError."""
    for message in sample.messages:
        if message.role == "assistant":
            _check_answer(message)
    return sample


def _check_answer(message: Message) -> None:
    pieces = [render(p.label, p.boxes) if isinstance(p, BoxesPart) else getattr(p, "text", "") for p in message.parts]
    spans = parse("".join(pieces))
    meant = [(part.label, part.boxes) for part in message.parts if isinstance(part, BoxesPart)]
    read = [(span.label, span.boxes) for span in spans if span.label is not None]
    if read != meant or any(span.problems for span in spans):
        raise RowError("the answer does not come back from the parser")
