"""Augment: a few boxed pictures shown in ever new frames, their boxes moved along."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Message, Sample, TextPart
from vl2.data.records.boxed import in_reading_order
from vl2.processor.images import image_size
from vl2.processor.marks import DET
from vl2.processor.reframe import Window, reframe

SCALES = (0.8, 1.25)  # sides of the window, in those of the picture
MIRRORED_SHARE = 0.5
SIDES = re.compile(r"\b(left|right)\b|左|右", re.IGNORECASE)  # a mirrored picture would make them wrong


def augmented(sample: Sample, random: np.random.Generator) -> Sample:
    """Return a sample seen through another window that holds all of its boxes.

    Only a sample of one picture whose answers have boxes is changed: nothing else could be lost outside the frame. One
    with boxes that are written out in a text is not: they would not move along.
    Raises ImageError.
    """
    parts = [part for message in sample.messages for part in message.parts if isinstance(part, BoxesPart)]
    boxes = [box for part in parts for box in part.boxes]
    if len(sample.images) != 1 or not boxes or _has_written_boxes(sample):
        return sample
    window = pick_window(boxes, random)
    mirrored = not _names_sides(sample) and random.random() < MIRRORED_SHARE
    width, height = image_size(sample.images[0])
    messages = tuple(_moved(message, window, mirrored) for message in sample.messages)
    shown = replace(reframe(sample.images[0], window, mirrored=mirrored), width=width, height=height)
    return replace(sample, messages=messages, images=(shown,), objects=())


def _has_written_boxes(sample: Sample) -> bool:
    return any(isinstance(part, TextPart) and DET in part.text for message in sample.messages for part in message.parts)


def pick_window(boxes: list[Box], random: np.random.Generator) -> Window:
    """Choose a window of another size and place around all boxes."""
    corners = np.array([box.unit() for box in boxes])  # [N, 4]
    low, high = corners[:, :2].min(0), corners[:, 2:].max(0)  # [2], of all boxes together
    side = max(float(random.uniform(*SCALES)), float((high - low).max()))
    first, last = np.minimum(high - side, low), np.maximum(low, high - side)
    # not further from the picture than it has to be: what is outside is grey
    first, last = np.maximum(first, min(0.0, 1 - side)), np.minimum(last, max(0.0, 1 - side))
    left, top = (float(random.uniform(a, max(a, b))) for a, b in zip(first, last, strict=True))
    return left, top, left + side, top + side


def _names_sides(sample: Sample) -> bool:
    parts = [part for message in sample.messages for part in message.parts]
    return any(SIDES.search(getattr(part, "text", "") + getattr(part, "label", "")) for part in parts)


def _moved(message: Message, window: Window, mirrored: bool) -> Message:
    parts = tuple(
        replace(part, boxes=tuple(in_reading_order(_seen(box, window, mirrored) for box in part.boxes)))
        if isinstance(part, BoxesPart)
        else part
        for part in message.parts
    )
    return replace(message, parts=parts)


def _seen(box: Box, window: Window, mirrored: bool) -> Box:
    left, top, right, bottom = window
    x1, y1, x2, y2 = box.unit()
    xs = [(x - left) / (right - left) for x in (x1, x2)]
    ys = [(y - top) / (bottom - top) for y in (y1, y2)]
    if mirrored:
        xs = [1 - x for x in xs]
    return Box.from_pixels(xs[0], ys[0], xs[1], ys[1], width=1, height=1)
