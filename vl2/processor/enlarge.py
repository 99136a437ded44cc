"""An image made larger before it is cut: some benchmarks are run so."""

from __future__ import annotations

import io

from PIL import Image

from vl2.core.sample import ImageSource
from vl2.processor.images import open_image


def enlarge(source: ImageSource, factor: float) -> ImageSource:
    """Return the image `factor` times as wide and high, by bilinear interpolation. Raises ImageError."""
    image = open_image(source)
    size = round(image.width * factor), round(image.height * factor)
    stream = io.BytesIO()
    image.resize(size, Image.Resampling.BILINEAR).save(stream, "PNG")
    return ImageSource(data=stream.getvalue(), width=size[0], height=size[1])
