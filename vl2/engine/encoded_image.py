"""EncodedImage: an image that is decoded once, for as many questions as one likes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vl2.processor.images import DEFAULT_LIMITS, ImageInput, image_size, open_image


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """RGB pixels. The visual tokens that an assistant has made of them are in its `features`, under their content."""

    pixels: np.ndarray  # uint8 [H, W, 3], upright

    @classmethod
    def open(cls, source: ImageInput | EncodedImage) -> EncodedImage:
        """Decode an image; an encoded one is returned as it is. Raises ImageError."""
        if isinstance(source, EncodedImage):
            return source
        return cls(np.asarray(open_image(source, limits=DEFAULT_LIMITS)))

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return self.pixels.shape[0]


def size_of(source: ImageInput | EncodedImage) -> tuple[int, int]:
    """Return width and height in pixels, of what is not decoded yet from its header. Raises ImageError."""
    if isinstance(source, EncodedImage):
        return source.width, source.height
    return image_size(source, limits=DEFAULT_LIMITS)


def pixels_of(source: ImageInput | EncodedImage) -> ImageInput:
    """Return what the processor opens."""
    return source.pixels if isinstance(source, EncodedImage) else source
