"""The file of an image, as bytes and as their hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource

MOST_BYTES = 32 << 20


def bytes_of(image: ImageSource) -> bytes:
    """Return the encoded bytes of an image. Raises ImageError when there are none or too many."""
    data = image.data
    if data is None:
        try:
            with Path(image.path or "").open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            raise ImageError(
                f"image {image.path}", "cannot be read", got=type(error).__name__, do="Check the path."
            ) from None
    if not 0 < len(data) <= MOST_BYTES:
        raise ImageError("image", "is empty or too large", got=f"{len(data)} bytes", expected=f"1 to {MOST_BYTES}")
    return data


def hash_of(image: ImageSource) -> str:
    """Return the SHA-256 of an image's file; nothing for one that cannot be read: asking about it will say why."""
    try:
        return hashlib.sha256(bytes_of(image)).hexdigest()
    except ImageError:
        return ""
