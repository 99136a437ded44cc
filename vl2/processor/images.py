"""Untrusted images to RGB pixels. Whatever is wrong with one becomes an ImageError."""

from __future__ import annotations

import io
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource
from vl2.processor.color import to_rgb
from vl2.processor.silence import pil_silenced

ImageInput = str | Path | bytes | bytearray | memoryview | Image.Image | np.ndarray | ImageSource

# raster formats with decoders of their own; no vector graphics, no containers, nothing that starts a program
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|data:", re.IGNORECASE)
_MOST_EXIF_SEGMENTS = 64  # PIL joins them in quadratic time
_ORIENTATION = 0x0112  # the EXIF tag; its values 2..8 name the transposition that makes the picture upright
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """What is refused before it costs memory: decoded pixels and encoded bytes."""

    max_pixels: int = 64_000_000  # 256 MB, as PIL keeps RGB in four bytes a pixel; decoding takes up to four times that
    max_bytes: int = 32 << 20


DEFAULT_LIMITS = ImageLimits()


def open_image(
    source: ImageInput,
    *,
    limits: ImageLimits = DEFAULT_LIMITS,
    exif: bool = True,
    alpha: Literal["drop", "white"] = "drop",
) -> Image.Image:
    """Return an image as RGB: the first frame, upright when `exif`.

    `alpha="drop"` ignores transparency as the released code does; "white" lays the image on white. A TIFF is always
    upright.
    Takes a path, encoded bytes, a PIL image, uint8 pixels [H, W], [H, W, 3] or [H, W, 4], or an ImageSource.
    Raises ImageError on anything that is no such image or beyond the limits; addresses (URLs) are never fetched.
    """
    name = _name_of(source)
    try:
        with pil_silenced():
            image = _open(source, name, limits)
            _check_pixels(image, name, limits)
            turn = _TRANSPOSE.get(_orientation(image)) if exif else None
            image.load()
            return to_rgb(image if turn is None else image.transpose(turn), alpha)
    except ImageError:
        raise
    except Exception as error:  # noqa: BLE001 - PIL's plug-ins raise SyntaxError, struct.error, zlib.error and more
        raise ImageError(name, f"cannot be decoded: {_reason(error)}", do="Save it again as PNG or JPEG.") from None


def image_size(source: ImageInput, *, limits: ImageLimits = DEFAULT_LIMITS, exif: bool = True) -> tuple[int, int]:
    """Return (width, height) as `open_image` would, from the header alone. Raises ImageError."""
    name = _name_of(source)
    try:
        with pil_silenced():
            image = _open(source, name, limits)
            _check_pixels(image, name, limits)
            turned = exif and 5 <= _orientation(image) <= 8  # PIL turns nothing for a number that means nothing
            return (image.height, image.width) if turned else image.size
    except ImageError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise ImageError(name, f"cannot be read: {_reason(error)}", do="Save it again as PNG or JPEG.") from None


def _open(source: ImageInput, name: str, limits: ImageLimits) -> Image.Image:
    """Return an image whose pixels are not decoded yet, unless it came decoded."""
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source, name)
    if isinstance(source, ImageSource):
        source = source.data if source.data is not None else source.path or ""
    if isinstance(source, str | Path):
        source = _read_file(source, name, limits)
    if not isinstance(source, bytes | bytearray | memoryview):
        raise ImageError(name, "not an image", got=type(source).__name__, expected="a path, bytes, PIL image or array")
    return _identify(source, name, limits)


def _identify(source: bytes | bytearray | memoryview, name: str, limits: ImageLimits) -> Image.Image:
    """Open encoded bytes by their content, whatever they are called."""
    num_bytes = memoryview(source).nbytes
    if not num_bytes:
        raise ImageError(name, "is empty", do="Give a complete file.")
    if num_bytes > limits.max_bytes:
        raise ImageError(name, "too large", got=f"{num_bytes} bytes", expected=f"at most {limits.max_bytes}")
    data = bytes(source)
    if data.startswith(b"\xff\xd8") and data.count(b"Exif\0\0") > _MOST_EXIF_SEGMENTS:
        raise ImageError(name, "too many EXIF segments", expected=f"at most {_MOST_EXIF_SEGMENTS}", do="Save it again.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.UnidentifiedImageError:
        raise ImageError(
            name, "not a readable image", got=f"{data[:8]!r}", expected=", ".join(FORMATS), do="Convert it."
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(name, "too many pixels", expected=f"at most {limits.max_pixels}", do="Shrink it.") from None
    parts = getattr(image, "tile", None)  # PIL's word for the encoded parts of a file; some formats list none
    codec = parts[0][0] if parts else ""
    if codec in Image.DECODERS:  # written in Python, pixel by pixel: minutes for a large image
        raise ImageError(name, f"the encoding {codec} is too slow to decode", do="Save it again as PNG or JPEG.")
    return image


def _read_file(path: str | Path, name: str, limits: ImageLimits) -> bytes:
    if isinstance(path, str) and _ADDRESS.match(path):
        raise ImageError(name, "an address is not fetched", do="Download the image and give its path or bytes.")
    if not path:
        raise ImageError(name, "names no image", expected="a path or bytes", do="Give one of them.")
    file = Path(path)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or device could block or never end
            raise ImageError(name, "not a regular file", do="Give the path of an image file.")
        if status.st_size > limits.max_bytes:
            raise ImageError(name, "too large", got=f"{status.st_size} bytes", expected=f"at most {limits.max_bytes}")
        with file.open("rb") as stream:
            return stream.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {_reason(error)}"
        raise ImageError(name, reason, do="Check the path.") from None


def _from_array(pixels: np.ndarray, name: str) -> Image.Image:
    shape_fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if pixels.dtype != np.uint8 or not shape_fits:
        raise ImageError(
            name, "not pixels", got=f"{pixels.dtype} {list(pixels.shape)}",
            expected="uint8 [H, W], [H, W, 3] or [H, W, 4]", do="Convert the array.",
        )  # fmt: skip
    if not pixels.size:
        raise ImageError(name, "has no pixels", got=str(list(pixels.shape)), expected="at least 1x1")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _check_pixels(image: Image.Image, name: str, limits: ImageLimits) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(name, "has no pixels", got=f"{width}x{height}", expected="at least 1x1")
    if width * height > limits.max_pixels:
        raise ImageError(
            name, "too many pixels", got=f"{width}x{height}", expected=f"at most {limits.max_pixels}", do="Shrink it."
        )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation as far as the header tells it; PIL turns TIFF by itself."""
    if image.format == "TIFF":
        return 1
    try:
        # the method of the class above PNG's: that one would decode all pixels to look for EXIF behind them
        value = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF raises as freely as broken pixels; the picture may still be whole
        return 1
    return value if isinstance(value, int) else 1


def _name_of(source: ImageInput) -> str:
    if isinstance(source, ImageSource):
        source = source.path if source.path is not None else b""
    if isinstance(source, str | Path):
        return f"image {_one_line(str(source))}"
    return "image"


def _reason(error: Exception) -> str:
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())[:120].encode("utf-8", "replace").decode("utf-8")
