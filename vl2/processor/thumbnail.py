"""A small JPEG of an image, with boxes drawn on it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from PIL import Image, ImageDraw

from vl2.processor.images import ImageInput, open_image

QUALITY = 80
LINE = 2


def thumbnail(
    source: ImageInput, side: int, boxes: Sequence[tuple[tuple[float, float, float, float], str]] = (), *,
    alpha: Literal["drop", "white"] = "drop",
) -> bytes:  # fmt: skip
    """Return the image as JPEG, no side longer than `side`; boxes are (corners in its pixels, colour).

    `alpha` as in `open_image`. Raises ImageError on what is no image.
    """
    image = open_image(source, alpha=alpha)
    scale = min(1.0, side / max(image.size))
    width, height = (max(1, round(length * scale)) for length in image.size)
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(small)
    for corners, colour in boxes:
        x1, y1, x2, y2 = (min(max(corner * scale, -1.0), 2.0 * side) for corner in corners)
        pen.rectangle((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), outline=colour, width=LINE)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
