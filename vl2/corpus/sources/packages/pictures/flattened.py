"""Flattened: a picture with transparency as a viewer shows it, on a plain ground, and no larger than a screen."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageChops

from vl2.core.sample import ImageSource
from vl2.data.faults import RowError
from vl2.processor import image_size, open_image

LARGEST = 1024  # pixels of a side; vector drawings were drawn as large as 30,000
MOST_PIXELS = 16_000_000  # of a picture that is opened only to be made small
PALE, PALE_SHARE = 232, 0.97  # a grey value, and the share of what is seen that lies above it: white on white
PALE_GROUND = "#b8c4d0"  # of such drawings; of the others it is white
MARGIN = 0.04  # of the longer side, left around what is drawn on a page that is larger
_SMALL = 128  # pixels of a side on which it is seen how pale a drawing is


def flattened(image: ImageSource) -> ImageSource:
    """Return a picture as PNG without transparency: on white, or on a plain blue grey where white would hide it.

    Raises RowError on a picture with too many pixels, ImageError on what is none.
    """
    width, height = image_size(image)
    if width * height > MOST_PIXELS:
        raise RowError("a picture with too many pixels", got=width * height, expected=f"at most {MOST_PIXELS}")
    on_white = open_image(image, alpha="white")
    drawn, ground = (_on_ground(image, PALE_GROUND), PALE_GROUND) if _is_pale(on_white) else (on_white, "white")
    drawn.thumbnail((LARGEST, LARGEST))
    drawn = _trimmed(drawn, ground)
    stream = io.BytesIO()
    drawn.save(stream, "PNG")
    return ImageSource(data=stream.getvalue())


def _is_pale(on_white: Image.Image) -> bool:
    small = on_white.convert("L").reduce(max(1, max(on_white.size) // _SMALL))
    return float((np.asarray(small) >= PALE).mean()) >= PALE_SHARE


def _trimmed(drawn: Image.Image, ground: str) -> Image.Image:
    """Return a drawing without the empty page around it."""
    box = ImageChops.difference(drawn, Image.new("RGB", drawn.size, ground)).getbbox()
    if box is None:
        raise RowError("a picture that shows nothing")
    margin = round(MARGIN * max(box[2] - box[0], box[3] - box[1]))
    left, top, right, bottom = box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin
    return drawn.crop((max(0, left), max(0, top), min(drawn.width, right), min(drawn.height, bottom)))


def _on_ground(image: ImageSource, ground: str) -> Image.Image:
    """Return a picture that `open_image` has taken, on another ground than white."""
    with Image.open(io.BytesIO(image.data) if image.data is not None else image.path or "") as opened:
        layer = opened.convert("RGBA")
    canvas = Image.new("RGB", layer.size, ground)
    canvas.paste(layer, mask=layer.getchannel("A"))
    return canvas
