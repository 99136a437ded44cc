"""Thumbnail: a small picture of a row's image with its boxes, as a page can hold it."""

from __future__ import annotations

import base64

from vl2.core.errors import ImageError
from vl2.core.sample import BoxesPart, Sample
from vl2.processor import image_size
from vl2.processor.thumbnail import thumbnail as small_jpeg

SIDE, MOST_BOXES = 320, 40
ANSWERED, ANNOTATED = "#e0218a", "#1b9e5a"


def thumbnail(sample: Sample, number: int) -> str | None:
    """Return image `number` as base64 of a JPEG, None when it cannot be decoded.

    Objects are drawn in green. Boxes of the conversation, which name no image, are drawn in pink on the first.
    """
    image = sample.images[number]
    try:
        width, height = image_size(image)
        annotated = [item.box for item in sample.objects if item.image == number]
        parts = [part for message in sample.messages for part in message.parts if isinstance(part, BoxesPart)]
        answered = [box.pixels(width, height) for part in parts for box in part.boxes] if number == 0 else []
        drawn = [*((box, ANNOTATED) for box in annotated[:MOST_BOXES]),
                 *((box, ANSWERED) for box in answered[:MOST_BOXES])]  # fmt: skip
        return base64.b64encode(small_jpeg(image, SIDE, drawn, alpha="white")).decode()
    except ImageError:
        return None
