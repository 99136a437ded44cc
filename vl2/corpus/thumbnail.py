"""Thumbnail: a small picture of a row's image with its boxes, as a page can hold it."""

from __future__ import annotations

import base64
import io

from PIL import ImageDraw

from vl2.core.errors import ImageError
from vl2.core.sample import BoxesPart, Sample
from vl2.processor import open_image

SIDE, MOST_BOXES = 320, 40
ANSWERED, ANNOTATED = "#e0218a", "#1b9e5a"


def thumbnail(sample: Sample, number: int) -> str | None:
    """Return image `number` as base64 of a JPEG, None when it cannot be decoded.

    Objects are drawn in green. Boxes of the conversation, which name no image, are drawn in pink on the first.
    """
    try:
        image = open_image(sample.images[number], alpha="white")
    except ImageError:
        return None
    full_width, full_height = image.size
    image.thumbnail((SIDE, SIDE))
    draw = ImageDraw.Draw(image)
    annotated = [item.box for item in sample.objects if item.image == number]
    across, down = image.width / full_width, image.height / full_height
    for x1, y1, x2, y2 in annotated[:MOST_BOXES]:
        _outline(draw, (x1 * across, y1 * down, x2 * across, y2 * down), ANNOTATED)
    parts = [part for message in sample.messages for part in message.parts if isinstance(part, BoxesPart)]
    answered = [box for part in parts for box in part.boxes] if number == 0 else []
    for box in answered[:MOST_BOXES]:
        _outline(draw, box.pixels(image.width, image.height), ANSWERED)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return base64.b64encode(out.getvalue()).decode()


def _outline(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], colour: str) -> None:
    left, right = sorted((box[0], box[2]))  # annotations are not always in order
    top, bottom = sorted((box[1], box[3]))
    draw.rectangle((left, top, right, bottom), outline=colour, width=2)
