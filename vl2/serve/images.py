"""Images of a request: from a data URL, a file below a folder, or a host that is allowed."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource
from vl2.processor.images import ImageLimits, image_size
from vl2.serve.fetch import fetch
from vl2.serve.problems import Problem
from vl2.serve.settings import ServeSettings

_DATA = re.compile(r"data:[a-z]{1,16}/[a-z0-9.+-]{1,64}(?:;[a-z]+=[a-z0-9-]{1,32})*;base64,", re.IGNORECASE)
LONGEST_ADDRESS = 4096


class ImageReader:
    """Turn addresses into images of a known size. Pixels are not decoded here."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.limits = ImageLimits(max_pixels=settings.max_pixels, max_bytes=settings.max_image_bytes)

    async def read(self, addresses: list[str]) -> tuple[ImageSource, ...]:
        """Return the images of one request. Raises Problem and VL2Error."""
        if len(addresses) > self.settings.max_images:
            raise Problem(
                400, f"images: too many (got {len(addresses)}, expected at most {self.settings.max_images}).",
                "too_many_images",
            )  # fmt: skip
        return tuple([await self._read(address) for address in addresses])

    async def _read(self, address: str) -> ImageSource:
        data = await self._bytes(address)
        width, height = await asyncio.to_thread(image_size, data, limits=self.limits)
        return ImageSource(data=data, width=width, height=height)

    async def _bytes(self, address: str) -> bytes:
        if address[:5].lower() == "data:":
            return await asyncio.to_thread(_decode, address, self.limits.max_bytes)
        if len(address) > LONGEST_ADDRESS:
            raise ImageError("image", "the address is too long", expected=f"at most {LONGEST_ADDRESS} characters")
        scheme = address.partition(":")[0].lower()
        if scheme in ("http", "https"):
            timeout_s = self.settings.image_timeout_s
            return await fetch(address, self.settings.image_hosts, max_bytes=self.limits.max_bytes, timeout_s=timeout_s)
        if scheme == "file":
            return await asyncio.to_thread(_read_file, address, self.settings.media_root, self.limits.max_bytes)
        raise ImageError(
            "image", "the address cannot be used", got=repr(address[:40]), expected="a data URL with base64",
            do="Send data:image/png;base64,...",
        )  # fmt: skip


def _decode(address: str, max_bytes: int) -> bytes:
    """Return the bytes of a data URL."""
    found = _DATA.match(address, 0, 256)
    if found is None:
        raise ImageError("image", "not a base64 data URL", do="Send data:image/png;base64,...")
    if (len(address) - found.end()) * 3 // 4 > max_bytes + 3:
        raise ImageError("image", "too large", expected=f"at most {max_bytes} bytes")
    try:
        return base64.b64decode(address[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise ImageError("image", "the base64 is broken", do="Encode it again.") from None


def _read_file(address: str, root: Path | None, max_bytes: int) -> bytes:
    """Return a file below `root`; links out of it are not followed."""
    if root is None:
        raise ImageError("image", "files are not read", do="Start the server with --media-root, or send a data URL.")
    try:
        parts = urlsplit(address)
        path = Path(unquote(parts.path)).resolve(strict=True)
        is_inside = path.is_relative_to(root.resolve()) and path.is_file() and parts.netloc in ("", "localhost")
        if is_inside:
            with path.open("rb") as stream:
                return stream.read(max_bytes + 1)
    except (OSError, ValueError, RuntimeError):
        pass  # the same words whether it exists or not
    raise ImageError("image", "no such file below the media folder", do="Check the path.")
