"""Marks: eight shapes in nine colours drawn on a picture, and how one speaks of each.

Shapes, colours, opacities and widths are those of ViP-LLaVA (arXiv 2312.00784): lines are wider on larger pictures.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from vl2.core.encoded import image_suffix
from vl2.core.sample import ImageSource

RGB = tuple[int, int, int]
Corners = tuple[float, float, float, float]
Point = tuple[float, float]
ShapeName = Literal["rectangle", "ellipse", "triangle", "point", "scribble", "contour", "mask", "arrow"]
COLOURS: dict[str, tuple[RGB, str]] = {
    "red": ((255, 0, 0), "红色"),
    "lime": ((0, 255, 0), "亮绿色"),
    "blue": ((0, 0, 255), "蓝色"),
    "yellow": ((255, 255, 0), "黄色"),
    "fuchsia": ((255, 0, 255), "紫红色"),
    "aqua": ((0, 255, 255), "青色"),
    "orange": ((255, 165, 0), "橙色"),
    "purple": ((128, 0, 128), "紫色"),
    "gold": ((255, 215, 0), "金色"),
}
REFERENCE_SIDE = 336  # widths are for a longest side of this
ALPHA, MASK_ALPHA = (96, 255), (48, 128)
LEAST_CONTRAST = 90.0  # between a mark and what it is drawn on, in levels of all three colours together
GROWTH = (1.0, 1.5)  # of an ellipse, from the box to what is around it
AROUND = math.sqrt(2)  # of an ellipse whose box lies within it
WOBBLES = 0.5  # share of arrows
JPEG_QUALITY = 92  # of a photograph that was JPEG before


@dataclass(frozen=True)
class Sketch:
    """What is marked, and where to draw: a layer over the picture, the box, its outline if known, the dice."""

    pen: ImageDraw.ImageDraw
    box: Corners
    outline: tuple[Point, ...]  # of the thing itself; empty when only its box is known
    fill: tuple[int, int, int, int]
    scale: float  # of widths
    dice: random.Random
    size: tuple[int, int]

    def width(self, low: float, high: float) -> int:
        """Return a width of lines in pixels."""
        return max(1, round(self.dice.uniform(low, high) * self.scale))

    def inner_point(self) -> Point:
        """Return a point near the middle of the thing."""
        x1, y1, x2, y2 = self.box
        x = self.dice.gauss((x1 + x2) / 2, (x2 - x1) / 10)
        y = self.dice.gauss((y1 + y2) / 2, (y2 - y1) / 10)
        return min(max(x, x1), x2), min(max(y, y1), y2)


@dataclass(frozen=True)
class Shape:
    """How a mark is drawn, and the phrase for what it marks."""

    draw: Callable[[Sketch], None]
    english: str
    chinese: str
    needs_outline: bool = False


def draw_mark(
    image: Image.Image, shape: ShapeName, colour: str, box: Corners, outline: Sequence[Point], dice: random.Random
) -> Image.Image:
    """Return the picture as RGB with the mark on it."""
    layer = Image.new("RGBA", image.size)
    alpha = dice.randint(*(MASK_ALPHA if shape == "mask" else ALPHA))
    sketch = Sketch(
        pen=ImageDraw.Draw(layer), box=box, outline=tuple(outline), fill=(*COLOURS[colour][0], alpha),
        scale=max(image.size) / REFERENCE_SIDE, dice=dice, size=image.size,
    )  # fmt: skip
    SHAPES[shape].draw(sketch)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def to_source(image: Image.Image, original: ImageSource) -> ImageSource:
    """Return a picture encoded as its original was, as far as that is JPEG; else as PNG."""
    stream = io.BytesIO()
    if image_suffix(original.data or b"") == "jpg":
        image.save(stream, "JPEG", quality=JPEG_QUALITY)
    else:
        image.save(stream, "PNG", compress_level=1)
    return ImageSource(data=stream.getvalue(), width=image.width, height=image.height)


def phrase_of(shape: ShapeName, colour: str, language: str) -> str:
    """Return the words for what is marked, such as `within the red rectangle`."""
    if language == "zh":
        return SHAPES[shape].chinese.format(COLOURS[colour][1])
    return SHAPES[shape].english.format(colour)


def visible_colours(image: Image.Image, box: Corners) -> list[str]:
    """Return the colours that stand out from the box and what is just around it; all when none does."""
    left, top, right, bottom = box
    around = (right - left) / 4, (bottom - top) / 4
    part = image.convert("RGB").crop((math.floor(max(0, left - around[0])), math.floor(max(0, top - around[1])),
                                      math.ceil(min(image.width, right + around[0])),
                                      math.ceil(min(image.height, bottom + around[1]))))  # fmt: skip
    levels = np.asarray(part.resize((16, 16)), np.float32).reshape(-1, 3)  # [256, 3]
    far = {name: np.median(np.linalg.norm(levels - rgb, axis=1)) for name, (rgb, _) in COLOURS.items()}
    return [name for name in COLOURS if far[name] > LEAST_CONTRAST] or list(COLOURS)


def _rectangle(sketch: Sketch) -> None:
    sketch.pen.rectangle(sketch.box, outline=sketch.fill, width=sketch.width(2, 8))


def _ellipse(sketch: Sketch) -> None:
    x1, y1, x2, y2 = sketch.box
    growth = AROUND * sketch.dice.uniform(*GROWTH)
    half = (x2 - x1) / 2 * growth, (y2 - y1) / 2 * growth
    middle = (x1 + x2) / 2, (y1 + y2) / 2
    corners = (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1])
    sketch.pen.ellipse(corners, outline=sketch.fill, width=sketch.width(2, 8))


def _triangle(sketch: Sketch) -> None:
    x1, y1, x2, y2 = sketch.box
    width, height = x2 - x1, y2 - y1  # the least upright triangle around a box is twice as wide and high
    corners = [((x1 + x2) / 2, y1 - height), (x2 + width / 2, y2), (x1 - width / 2, y2)]
    sketch.pen.polygon(corners, outline=sketch.fill, width=sketch.width(2, 8))


def _point(sketch: Sketch) -> None:
    x, y = sketch.inner_point()
    radius = sketch.width(4, 10)
    sketch.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=sketch.fill)


def _scribble(sketch: Sketch) -> None:
    a, b, c, d = (np.array(sketch.inner_point()) for _ in range(4))
    at = np.linspace(0, 1, 40)[:, None]
    curve = (1 - at) ** 3 * a + 3 * (1 - at) ** 2 * at * b + 3 * (1 - at) * at**2 * c + at**3 * d  # [40, 2]
    sketch.pen.line([(x, y) for x, y in curve.tolist()], fill=sketch.fill, width=sketch.width(2, 12), joint="curve")


def _contour(sketch: Sketch) -> None:
    sketch.pen.line([*sketch.outline, *sketch.outline[:2]], fill=sketch.fill, width=sketch.width(1, 4), joint="curve")


def _mask(sketch: Sketch) -> None:
    sketch.pen.polygon(list(sketch.outline), fill=sketch.fill)


def _arrow(sketch: Sketch) -> None:
    """Draw an arrow whose head lies on the thing and whose shaft comes from where there is room."""
    tip = sketch.inner_point()
    width = sketch.width(1, 6)
    length = max(24 * sketch.scale, 0.15 * max(sketch.size))
    angles = [sketch.dice.uniform(0, 2 * math.pi) for _ in range(12)]
    tails = [(tip[0] + math.cos(angle) * length, tip[1] + math.sin(angle) * length) for angle in angles]
    number = next((n for n, tail in enumerate(tails) if _is_inside(tail, sketch.size)), 0)
    tail, angle = tails[number], angles[number]
    shaft = [tip, tail]
    if sketch.dice.random() < WOBBLES:
        aside = sketch.dice.uniform(-0.15, 0.15) * length
        shaft.insert(1, ((tip[0] + tail[0]) / 2 - math.sin(angle) * aside, (tip[1] + tail[1]) / 2
                         + math.cos(angle) * aside))  # fmt: skip
    sketch.pen.line(shaft, fill=sketch.fill, width=width, joint="curve")
    barb = max(4.0 * width, length / 4)
    ends = [(tip[0] + math.cos(angle + turn) * barb, tip[1] + math.sin(angle + turn) * barb) for turn in (-0.45, 0.45)]
    sketch.pen.polygon([tip, *ends], fill=sketch.fill)


def _is_inside(point: Point, size: tuple[int, int]) -> bool:
    return 0 <= point[0] < size[0] and 0 <= point[1] < size[1]


SHAPES: dict[ShapeName, Shape] = {
    "rectangle": Shape(_rectangle, "within the {} rectangle", "{}矩形框内"),
    "ellipse": Shape(_ellipse, "within the {} ellipse", "{}椭圆内"),
    "triangle": Shape(_triangle, "within the {} triangle", "{}三角形内"),
    "point": Shape(_point, "at the {} point", "{}圆点处"),
    "scribble": Shape(_scribble, "with the {} scribble", "{}涂鸦处"),
    "contour": Shape(_contour, "within the {} contour", "{}轮廓内", needs_outline=True),
    "mask": Shape(_mask, "under the {} mask", "{}遮罩下", needs_outline=True),
    "arrow": Shape(_arrow, "pointed to by the {} arrow", "{}箭头所指"),
}
