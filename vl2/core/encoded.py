"""Encoded: what is known of an image without decoding it."""

from __future__ import annotations

import base64
import hashlib
import re

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource

_SIGNATURES = (
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("jpg", re.compile(rb"\xff\xd8\xff")),
    ("webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("gif", re.compile(rb"GIF8[79]a")),
    ("bmp", re.compile(rb"BM")),
    ("tiff", re.compile(rb"II\*\0|MM\0\*")),
    ("avif", re.compile(rb"....ftypavi[fs]", re.DOTALL)),
)


def image_suffix(data: bytes) -> str:
    """Return what the name of a file with these bytes ends in. Raises ImageError on what is no such image."""
    for suffix, signature in _SIGNATURES:
        if signature.match(data):
            return suffix
    known = ", ".join(suffix for suffix, _ in _SIGNATURES)
    raise ImageError("image", "an image is of no known format", got=repr(data[:8]), expected=known)


def image_hash(image: ImageSource) -> str:
    """Return the SHA-256 of an image's encoded bytes."""
    return hashlib.sha256(image.data or b"").hexdigest()


def data_url(data: bytes) -> str:
    """Return the bytes of an image as a data URL. Raises ImageError on what is no image."""
    kind = image_suffix(data).replace("jpg", "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
