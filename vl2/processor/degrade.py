"""Degrade: an image as a poor camera, a bad line or a shaky hand would have given it, at five levels.

Rotation turns the whole image and makes the canvas larger, so that nothing is lost; `degrade_box` says where a box is
then. All other kinds leave every pixel in its place.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from vl2.core.errors import ImageError, VL2Error, nearest
from vl2.processor.images import DEFAULT_LIMITS, ImageLimits, open_image

Size = tuple[int, int]
Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels
LEVELS = range(1, 6)
REFERENCE_SIDE = 384  # strengths in pixels are for a side of this, and grow with the image
BLUR = (1.0, 1.75, 2.5, 3.5, 5.0)  # deviation in pixels
GRAINS = 1152  # of noise along the longer side: finer ones vanish when a large image becomes tiles
NOISE = (8.0, 16.0, 28.0, 42.0, 60.0)  # deviation of 256 levels
QUALITY = (40, 25, 15, 9, 5)  # of JPEG
LIGHT = (0.6, 0.42, 0.28, 0.18, 0.1)  # what is left of it
READ_NOISE = 3.0  # of a sensor in the dark, before brightness is lost
SCALE = (0.7, 0.5, 0.35, 0.25, 0.17)  # to which the sides shrink before they grow back
DEGREES = (3.0, 7.0, 12.0, 20.0, 30.0)
FILL = (127, 127, 127)  # of the corners that a turned image leaves empty, as tiles are padded
BAND = 1 << 18  # pixels that are computed at a time: as floats they take many times their room


def degrade(data: bytes, kind: str, level: int, seed: int = 0, *, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
    """Return the image as PNG, worse by `level` 1..5; the same seed gives the same bytes.

    Raises ImageError on what is no image and where the image, or what becomes of it, is beyond the limits; VL2Error on
    an unknown kind or level.
    """
    check(kind, level)
    image = open_image(data, limits=limits)
    if kind == "rotation":
        width, height = turned_size(image.size, math.radians(DEGREES[level - 1]))
        if width * height > limits.max_pixels:
            got, most = f"{width}x{height}", f"at most {limits.max_pixels}"
            raise ImageError("turned image", "too many pixels", got=got, expected=most, do="Shrink it.")
    worse = DEGRADATIONS[kind](image, level - 1, np.random.default_rng((seed, level)))
    stream = io.BytesIO()
    worse.save(stream, "PNG", compress_level=1)
    if stream.tell() > limits.max_bytes:
        got, most = f"{stream.tell()} bytes", f"at most {limits.max_bytes}"
        raise ImageError("degraded image", "too large", got=got, expected=most, do="Shrink it.")
    return stream.getvalue()


def degrade_box(box: Box, size: Size, kind: str, level: int, seed: int = 0) -> Box:
    """Return the least upright box around what a box of an image of this size has become."""
    check(kind, level)
    if kind != "rotation":
        return box
    angle = math.radians(turn(level - 1, np.random.default_rng((seed, level))))
    width, height = size
    new_width, new_height = turned_size(size, angle)
    corners = [(x - width / 2, y - height / 2) for x in box[::2] for y in box[1::2]]
    # PIL turns counter-clockwise, and y grows downwards
    xs = [x * math.cos(angle) + y * math.sin(angle) + new_width / 2 for x, y in corners]
    ys = [y * math.cos(angle) - x * math.sin(angle) + new_height / 2 for x, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def check(kind: str, level: int) -> None:
    """Raise VL2Error unless there are such a kind and level."""
    if kind not in DEGRADATIONS:
        raise VL2Error("degrade", "unknown kind", got=kind, expected=", ".join(DEGRADATIONS),
                       do=nearest(kind, DEGRADATIONS))  # fmt: skip
    if level not in LEVELS:
        raise VL2Error("degrade", "unknown level", got=level, expected="1 to 5")


def turn(strength: int, random: np.random.Generator) -> float:
    """Return the degrees of a rotation, to the left or to the right."""
    return DEGREES[strength] * float(random.choice((-1, 1)))


def turned_size(size: Size, angle: float) -> Size:
    """Return the canvas that a turned image needs."""
    width, height = size
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    return math.ceil(width * cosine + height * sine), math.ceil(width * sine + height * cosine)


def _blur(image: Image.Image, strength: int, random: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(BLUR[strength] * max(image.size) / REFERENCE_SIDE))


def _noise(image: Image.Image, strength: int, random: np.random.Generator) -> Image.Image:
    return _by_band(image, lambda levels: levels + _grains(image, len(levels), random) * NOISE[strength])


def _jpeg(image: Image.Image, strength: int, random: np.random.Generator) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY[strength])
    return Image.open(stream).convert("RGB")


def _low_light(image: Image.Image, strength: int, random: np.random.Generator) -> Image.Image:
    def darken(levels: np.ndarray) -> np.ndarray:
        dark = levels * LIGHT[strength]
        deviation = np.sqrt(dark * (1 - LIGHT[strength]) + READ_NOISE**2)  # of the light and of the sensor
        return dark + _grains(image, len(levels), random) * deviation

    return _by_band(image, darken)


def _resample(image: Image.Image, strength: int, random: np.random.Generator) -> Image.Image:
    width, height = (max(1, round(side * SCALE[strength])) for side in image.size)
    shrunk = image.resize((width, height), Image.Resampling.BILINEAR)
    return shrunk.resize(image.size, Image.Resampling.BILINEAR)


def _rotation(image: Image.Image, strength: int, random: np.random.Generator) -> Image.Image:
    degrees = turn(strength, random)
    angle = math.radians(degrees)
    width, height = turned_size(image.size, angle)
    canvas = Image.new("RGB", (width, height), FILL)
    cosine, sine = math.cos(angle), math.sin(angle)
    # where a pixel of the canvas comes from, about both middles
    x0 = image.width / 2 - cosine * width / 2 + sine * height / 2
    y0 = image.height / 2 - sine * width / 2 - cosine * height / 2
    mapping = (cosine, -sine, x0, sine, cosine, y0)
    turned = image.transform((width, height), Image.Transform.AFFINE, mapping, Image.Resampling.BICUBIC)
    mask = Image.new("L", image.size, 255).transform((width, height), Image.Transform.AFFINE, mapping)
    canvas.paste(turned, mask=mask)
    return canvas


def _by_band(image: Image.Image, change: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    """Change the levels [h, W, 3] of an RGB image, whole rows of grains at a time."""
    worse = Image.new("RGB", image.size)
    grain = _grain(image)
    rows = max(1, BAND // (image.width * grain)) * grain
    for top in range(0, image.height, rows):
        levels = np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))), np.float32)
        worse.paste(Image.fromarray(change(levels).round().clip(0, 255).astype(np.uint8)), (0, top))
    return worse


def _grains(image: Image.Image, rows: int, random: np.random.Generator) -> np.ndarray:
    """Return normal noise [rows, W, 3] in squares of one grain."""
    grain = _grain(image)
    coarse = random.standard_normal((math.ceil(rows / grain), math.ceil(image.width / grain), 3), np.float32)
    return coarse.repeat(grain, 0).repeat(grain, 1)[:rows, : image.width]


def _grain(image: Image.Image) -> int:
    """Return the pixels along a grain of noise."""
    return max(1, round(max(image.size) / GRAINS))


DEGRADATIONS: dict[str, Callable[[Image.Image, int, np.random.Generator], Image.Image]] = {
    "blur": _blur, "noise": _noise, "jpeg": _jpeg, "low_light": _low_light, "resample": _resample,
    "rotation": _rotation,
}  # fmt: skip
