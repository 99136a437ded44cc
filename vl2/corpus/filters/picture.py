"""Picture: what can be measured of an image's pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image

LARGEST = 1600  # pixels of a side: blur is measured at most at this size


def picture(image: Image.Image) -> dict[str, float]:
    """Return sides in pixels, long side over short, sharpness, and the shares of the most frequent grey value."""
    width, height = image.size
    if max(width, height) > LARGEST:
        image = image.reduce(-(-max(width, height) // LARGEST))
    grey = np.asarray(image.convert("L"))  # [height, width]
    return {
        "short_side": min(width, height),
        "long_side": max(width, height),
        "aspect": max(width, height) / min(width, height),
        "sharpness": sharpness(grey),
        "blank": float(np.bincount(grey.ravel(), minlength=256).max()) / grey.size,
    }


def sharpness(grey: np.ndarray) -> float:
    """Return the variance of the Laplacian of grey values [height, width]; a blurred photograph has less than 100."""
    if min(grey.shape) < 3:
        return 0.0
    signed = grey.astype(np.int16)
    inner = signed[1:-1, 1:-1]
    laplacian = signed[:-2, 1:-1] + signed[2:, 1:-1] + signed[1:-1, :-2] + signed[1:-1, 2:] - 4 * inner
    return float(laplacian.astype(np.float32).var())
