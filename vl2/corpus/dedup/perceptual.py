"""Perceptual: hashes under which a picture stays itself when it is resized or compressed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.processor import open_image

THUMBNAIL = 16  # pixels of a side
REDUCED = 256  # of the shorter side: more pixels do not change a hash of 8x8 frequencies


@dataclass(frozen=True)
class PictureHash:
    """What pictures are compared by: the signs of low frequencies, and a small picture to be sure."""

    bits: int  # 64 of them
    thumbnail: np.ndarray  # [THUMBNAIL, THUMBNAIL, 3] uint8
    aspect: float  # width over height


def hash_picture(source: ImageSource | Image.Image) -> PictureHash:
    """Return the hash of an image. Raises ImageError when it cannot be decoded."""
    image = open_image(source, alpha="white")
    aspect = image.width / image.height
    factor = min(image.size) // REDUCED
    if factor > 1:
        image = image.reduce(factor)
    signs = _phash(image)  # [64]
    small = image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return PictureHash(int(np.packbits(signs).view(">u8")[0]), np.asarray(small), aspect)


def _phash(image: Image.Image) -> np.ndarray:
    """Return the signs of the low frequencies [64]."""
    try:
        from imagehash import phash  # here: scipy behind it takes a third of a second
    except ImportError:
        raise VL2Error("near pictures", "need imagehash", do="Run `pip install imagehash`.") from None
    return phash(image).hash.ravel()
