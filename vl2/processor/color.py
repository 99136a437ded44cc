"""Pixels of any mode to RGB."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

_BAND = 1 << 20  # pixels converted at a time: deep modes need wide intermediates
_SIXTEEN_BITS = 65_535.0


def to_rgb(image: Image.Image, alpha: Literal["drop", "white"] = "drop") -> Image.Image:
    """Return a loaded image as RGB, itself when it is; 16-bit and float modes are scaled to 0..255, not clipped."""
    if image.mode.startswith(("I", "F")):
        return _deep_to_gray(image).convert("RGB")
    if alpha == "white" and image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGB", layer.size, "white")
        canvas.paste(layer, mask=layer.getchannel("A"))
        return canvas
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_to_gray(image: Image.Image) -> Image.Image:
    """Scale one deep channel to 0..255.

    16 bits span 0..65535. Wider integers do so too, unless a value lies outside; then, as with floats outside 0..1,
    the span of the values is stretched.
    """
    if image.mode.startswith("I;") and image.mode != "I;16":
        image = image.convert("I")
    values = np.asarray(image)  # [H, W]
    low, high = _span(values, image.mode)
    gray = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND // max(1, values.shape[1]))
    for top in range(0, len(values), rows):
        with np.errstate(invalid="ignore"):  # signalling NaNs complain when they are cast
            band = np.nan_to_num(values[top : top + rows].astype(np.float64), nan=low, posinf=high, neginf=low)
        gray[top : top + rows] = np.rint((band.clip(low, high) - low) * (255 / (high - low)))
    return Image.fromarray(gray)


def _span(values: np.ndarray, mode: str) -> tuple[float, float]:
    """Return the values that become 0 and 255."""
    if mode == "I;16":
        return 0.0, _SIXTEEN_BITS
    if mode == "F":
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        natural = 1.0
    else:
        low, high = float(values.min()), float(values.max())
        natural = _SIXTEEN_BITS
    if low >= 0.0 and high <= natural:
        return 0.0, natural
    return (low, high) if high > low else (low, low + 1.0)
