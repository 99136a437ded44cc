"""Figures: the palette, the shape outlines and drawing them smoothly with exact boxes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

from vl2.corpus.pocket.canvas import INK_ONLY, RGB, Box4, Picture, luminance

COLOURS: dict[str, RGB] = {
    "red": (222, 35, 35),
    "green": (35, 160, 55),
    "blue": (35, 80, 225),
    "yellow": (245, 220, 35),
    "orange": (248, 140, 20),
    "purple": (135, 50, 185),
    "pink": (250, 145, 195),
    "brown": (128, 78, 38),
    "black": (18, 18, 18),
    "white": (250, 250, 250),
    "grey": (140, 140, 140),
}
COLOUR_JITTER = 9
FAR_ENOUGH = 128.0  # how far a colour must be from what lies behind it, in weighted RGB steps
OVERSAMPLING = 4
Outline = Callable[[ImageDraw.ImageDraw, float], None]


def jitter(rng: random.Random, name: str) -> RGB:
    """Return a shade of the named colour."""
    return tuple(max(0, min(255, c + rng.randint(-COLOUR_JITTER, COLOUR_JITTER))) for c in COLOURS[name])  # type: ignore[return-value]


def stands_out(name: str, base: RGB) -> bool:
    """Tell whether the named colour can be seen on `base`."""
    return colour_distance(COLOURS[name], base) > FAR_ENOUGH


def colour_distance(first: RGB, second: RGB) -> float:
    """Return a distance that counts brightness twice."""
    flat = math.dist(first, second)
    return 0.5 * flat + 1.2 * abs(luminance(first) - luminance(second))


def _polygon(points: list[tuple[float, float]]) -> Outline:
    def draw(pen: ImageDraw.ImageDraw, size: float) -> None:
        pen.polygon([(x * size, y * size) for x, y in points], fill=255)

    return draw


def _regular(corners: int, start: float, inner: float | None = None) -> list[tuple[float, float]]:
    radii = (0.5,) if inner is None else (0.5, inner)
    total = corners * len(radii)
    return [
        (0.5 + radii[k % len(radii)] * math.cos(start + 2 * math.pi * k / total),
         0.5 + radii[k % len(radii)] * math.sin(start + 2 * math.pi * k / total))
        for k in range(total)
    ]  # fmt: skip


def _circle(pen: ImageDraw.ImageDraw, size: float) -> None:
    pen.ellipse((0, 0, size - 1, size - 1), fill=255)


def _ring(pen: ImageDraw.ImageDraw, size: float) -> None:
    pen.ellipse((0, 0, size - 1, size - 1), fill=255)
    pen.ellipse((size * 0.26, size * 0.26, size * 0.74 - 1, size * 0.74 - 1), fill=0)


def _moon(pen: ImageDraw.ImageDraw, size: float) -> None:
    pen.ellipse((0, 0, size - 1, size - 1), fill=255)
    pen.ellipse((size * 0.34, -size * 0.08, size * 1.24, size * 0.82), fill=0)


def _heart(pen: ImageDraw.ImageDraw, size: float) -> None:
    pen.ellipse((0, 0, size * 0.53, size * 0.53), fill=255)
    pen.ellipse((size * 0.47, 0, size - 1, size * 0.53), fill=255)
    pen.polygon([(size * x, size * y) for x, y in ((0.05, 0.38), (0.95, 0.38), (0.5, 0.98))], fill=255)


def _drop(pen: ImageDraw.ImageDraw, size: float) -> None:
    pen.ellipse((size * 0.17, size * 0.36, size * 0.83, size - 1), fill=255)
    pen.polygon([(size * x, size * y) for x, y in ((0.5, 0.0), (0.2, 0.57), (0.8, 0.57))], fill=255)


def _flower(pen: ImageDraw.ImageDraw, size: float) -> None:
    for k in range(5):
        angle = -math.pi / 2 + 2 * math.pi * k / 5
        x, y, r = 0.5 + 0.29 * math.cos(angle), 0.52 + 0.29 * math.sin(angle), 0.21
        pen.ellipse((size * (x - r), size * (y - r), size * (x + r), size * (y + r)), fill=255)
    pen.ellipse((size * 0.37, size * 0.39, size * 0.63, size * 0.65), fill=0)  # the open middle tells it from a blob


def _house(pen: ImageDraw.ImageDraw, size: float) -> None:
    pen.polygon([(size * x, size * y) for x, y in ((0.5, 0.0), (1.0, 0.5), (0.0, 0.5))], fill=255)
    pen.rectangle((size * 0.14, size * 0.5, size * 0.86, size - 1), fill=255)
    pen.rectangle((size * 0.41, size * 0.66, size * 0.59, size - 1), fill=0)


_ARROW = [(0.0, 0.34), (0.52, 0.34), (0.52, 0.08), (1.0, 0.5), (0.52, 0.92), (0.52, 0.66), (0.0, 0.66)]
_CROSS = [(0.34, 0), (0.66, 0), (0.66, 0.34), (1, 0.34), (1, 0.66), (0.66, 0.66), (0.66, 1), (0.34, 1), (0.34, 0.66),
          (0, 0.66), (0, 0.34), (0.34, 0.34)]  # fmt: skip

SHAPES: dict[str, Outline] = {
    "circle": _circle,
    "square": _polygon([(0.06, 0.06), (0.94, 0.06), (0.94, 0.94), (0.06, 0.94)]),
    "triangle": _polygon([(0.5, 0.04), (1.0, 0.94), (0.0, 0.94)]),
    "star": _polygon(_regular(5, -math.pi / 2, 0.21)),
    "heart": _heart,
    "cross": _polygon(_CROSS),
    "diamond": _polygon([(0.5, 0.0), (0.86, 0.5), (0.5, 1.0), (0.14, 0.5)]),
    "ring": _ring,
    "arrow": _polygon(_ARROW),
    "moon": _moon,
    "hexagon": _polygon(_regular(6, 0.0)),
    "house": _house,
    "flower": _flower,
    "drop": _drop,
}
ARROW_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def plural(shape: str) -> str:
    """Return the plural of a shape's name."""
    return shape + ("es" if shape == "cross" else "s")


@lru_cache(maxsize=8192)
def shape_mask(shape: str, size: int, turn: int = 0) -> Image.Image:
    """Return the smooth mask of a figure at most `size` pixels wide, cropped to its ink."""
    large = size * OVERSAMPLING
    mask = Image.new("L", (large, large))
    SHAPES[shape](ImageDraw.Draw(mask), float(large))
    mask = mask.reduce(OVERSAMPLING)
    quarter_turn = ARROW_TURNS[turn] if shape == "arrow" else None
    if quarter_turn is not None:
        mask = mask.transpose(quarter_turn)
    ink = mask.point(INK_ONLY).getbbox()
    return mask.crop(ink)


def stamp(picture: Picture, name: str, shade: RGB, mask: Image.Image, left: int, top: int) -> Box4:
    """Draw a figure's mask at (`left`, `top`), record it under its name, and return its box."""
    box = (left, top, left + mask.width, top + mask.height)
    picture.image.paste(shade, box, mask)
    picture.record(name, box, "shape")
    return box
