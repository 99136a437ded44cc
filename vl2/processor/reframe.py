"""Reframe: the same picture seen through another window, as a step to the side would show it."""

from __future__ import annotations

import io

from PIL import Image

from vl2.core.sample import ImageSource
from vl2.processor.images import ImageInput, open_image

FILL = (127, 127, 127)  # what lies outside, as tiles are padded
Window = tuple[float, float, float, float]  # x1, y1, x2, y2 in shares of the sides; may reach outside


def reframe(source: ImageInput, window: Window, *, mirrored: bool = False) -> ImageSource:
    """Return what the window shows, in the size of the image. Raises ImageError."""
    image = open_image(source)
    width, height = image.size
    left, top, right, bottom = window
    mapping = ((right - left), 0.0, left * width, 0.0, (bottom - top), top * height)
    shown = image.transform(image.size, Image.Transform.AFFINE, mapping, Image.Resampling.BILINEAR, fillcolor=FILL)
    if mirrored:
        shown = shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    stream = io.BytesIO()
    shown.save(stream, "PNG", compress_level=1)
    return ImageSource(data=stream.getvalue(), width=width, height=height)
