"""An image made larger before it is cut: some benchmarks are run so."""

from __future__ import annotations

import io

from PIL import Image

from vl2.core.sample import ImageSource
from vl2.processor.images import DEFAULT_LIMITS, open_image


def enlarge(source: ImageSource, factor: float) -> ImageSource:
    """Return the image `factor` times as wide and high, by bilinear interpolation. Raises ImageError.

    One that would be too large to be opened again stays as it is: it has more pixels than all tiles show.
    """
    image = open_image(source)
    width, height = round(image.width * factor), round(image.height * factor)
    if width * height > DEFAULT_LIMITS.max_pixels:
        return source
    stream = io.BytesIO()
    image.resize((width, height), Image.Resampling.BILINEAR).save(stream, "PNG")
    data = stream.getvalue()
    return source if len(data) > DEFAULT_LIMITS.max_bytes else ImageSource(data=data, width=width, height=height)
