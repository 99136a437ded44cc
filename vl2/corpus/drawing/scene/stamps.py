"""Stamps: small pictures of one thing each, with transparency around it, as Tux Paint has them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource
from vl2.processor import image_size

Colour = tuple[float, float, float]  # red, green, blue, 0..255
SOLID = 128  # opacity from which a pixel counts as part of the thing
LARGEST = 512  # pixels of a side: none is shown larger
MOST_PIXELS = 4_000_000  # of a stamp as it lies on disk
MOST_REMEMBERED = 512


@dataclass(frozen=True)
class Stamp:
    """One stamp, without empty borders."""

    image: Image.Image  # RGBA
    colour: Colour  # the mean of what is solid


@lru_cache(MOST_REMEMBERED)
def read_stamp(folder: str, name: str) -> Stamp:
    """Return the stamp of a file, at most LARGEST pixels a side. Raises ImageError on any other picture."""
    path = Path(folder) / name
    width, height = image_size(ImageSource(path=str(path)))  # also refuses what is too large, and what is no file
    if width * height > MOST_PIXELS:
        raise ImageError(name, "too many pixels for a stamp", got=width * height, expected=f"at most {MOST_PIXELS}")
    try:
        with Image.open(io.BytesIO(path.read_bytes()), formats=("PNG",)) as opened:
            image = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:  # PIL's words for what is broken
        raise ImageError(name, f"cannot be decoded: {str(error)[:80]}") from None
    solid = image.getchannel("A").point([0] * SOLID + [255] * (256 - SOLID)).getbbox()
    if solid is None:
        raise ImageError(name, "a stamp that shows nothing")
    image = image.crop(solid)
    image.thumbnail((LARGEST, LARGEST))
    pixels = np.asarray(image, np.float32)  # [H, W, 4]
    red, green, blue = pixels[pixels[..., 3] >= SOLID][:, :3].mean(0).tolist()
    return Stamp(image, (red, green, blue))
