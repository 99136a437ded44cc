"""Likeness: how much two pictures show the same, by structure (SSIM, Wang et al. 2004) on small grey copies."""

from __future__ import annotations

import numpy as np
from PIL import Image

from vl2.core.sample import ImageSource
from vl2.processor import open_image

SIDE, WINDOW = 256, 8
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # the constants of SSIM for 8-bit levels


def likeness(one: ImageSource, other: ImageSource) -> float:
    """Return the mean structural similarity, 1 for equal pictures. Raises ImageError."""
    first, second = _blocks(open_image(one)), _blocks(open_image(other))  # [blocks, pixels]
    means = first.mean(1), second.mean(1)
    spread = first.var(1), second.var(1)
    shared = ((first - means[0][:, None]) * (second - means[1][:, None])).mean(1)
    above = (2 * means[0] * means[1] + _C1) * (2 * shared + _C2)
    below = (means[0] ** 2 + means[1] ** 2 + _C1) * (spread[0] + spread[1] + _C2)
    return float((above / below).mean())


def _blocks(image: Image.Image) -> np.ndarray:
    """Return windows of a grey copy [blocks, pixels]."""
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    count = SIDE // WINDOW
    return grey.reshape(count, WINDOW, count, WINDOW).swapaxes(1, 2).reshape(count * count, WINDOW * WINDOW)
