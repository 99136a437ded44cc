"""Scene ground: what lies behind a scene: a window of a photograph that shows no thing, or something drawn."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from vl2.core.sample import ImageSource
from vl2.corpus.drawing.scene.cast import Ground
from vl2.processor import open_image

Size = tuple[int, int]
RGB = tuple[int, int, int]
LARGEST = 1280  # pixels of a side of a photograph that is kept at hand
WINDOW = (0.8, 1.0)  # of the largest one of the scene's shape: what its words name stays in sight
MOST_REMEMBERED = 24


@dataclass(frozen=True)
class Backdrop:
    """A picture with its words: English ones after a thing that stands there, Chinese ones as a noun."""

    image: Image.Image  # RGB
    english: str
    chinese: str
    licence: str  # empty for what is drawn here


@dataclass(frozen=True)
class _Colour:
    english: str
    chinese: str
    rgb: RGB


_COLOURS = (
    _Colour("white", "白色", (250, 250, 250)), _Colour("light blue", "浅蓝色", (190, 218, 243)),
    _Colour("cream", "米色", (246, 236, 210)), _Colour("light green", "浅绿色", (200, 232, 196)),
    _Colour("light yellow", "浅黄色", (250, 242, 172)), _Colour("pink", "粉色", (248, 200, 212)),
    _Colour("light grey", "浅灰色", (212, 214, 218)), _Colour("dark blue", "深蓝色", (36, 58, 112)),
    _Colour("dark green", "深绿色", (30, 84, 56)), _Colour("dark grey", "深灰色", (70, 74, 82)),
    _Colour("purple", "紫色", (150, 108, 190)), _Colour("orange", "橙色", (240, 168, 88)),
    _Colour("brown", "棕色", (140, 100, 66)),
)  # fmt: skip


def photo_ground(folder: str, ground: Ground, size: Size, dice: random.Random) -> Backdrop:
    """Return a window of a photograph, perhaps mirrored. Raises ImageError."""
    photo = _read_photo(folder, ground.file)
    factor = min(photo.width / size[0], photo.height / size[1]) * dice.uniform(*WINDOW)
    width, height = size[0] * factor, size[1] * factor
    left, top = dice.uniform(0, photo.width - width), dice.uniform(0, photo.height - height)
    image = photo.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
    if dice.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Backdrop(image, f"in front of {ground.english}", ground.chinese, ground.licence)


def drawn_ground(size: Size, dice: random.Random) -> Backdrop:
    """Return a plain, shaded, patterned or cloudy ground, or a meadow under the sky."""
    return dice.choice(_DRAWN)(size, dice)


@lru_cache(MOST_REMEMBERED)
def _read_photo(folder: str, file: str) -> Image.Image:
    image = open_image(ImageSource(path=str(Path(folder) / file)))
    image.thumbnail((LARGEST, LARGEST))
    return image


def _plain(size: Size, dice: random.Random) -> Backdrop:
    colour = dice.choice(_COLOURS)
    image = Image.new("RGB", size, colour.rgb)
    return Backdrop(image, f"on a plain {colour.english} background", f"纯{colour.chinese}", "")


def _shaded(size: Size, dice: random.Random) -> Backdrop:
    one, other = dice.sample(_COLOURS, 2)
    make = dice.choice((Image.linear_gradient, Image.radial_gradient))
    mask = make("L").rotate(dice.choice((0, 90, 180, 270))).resize(size, Image.Resampling.BILINEAR)
    english = f"on a background that fades from {one.english} to {other.english}"
    return Backdrop(_mixed(one.rgb, other.rgb, mask), english, f"从{one.chinese}到{other.chinese}的渐变色", "")


def _striped(size: Size, dice: random.Random) -> Backdrop:
    period, is_upright = dice.randint(12, 60), dice.random() < 0.5
    columns, rows = _bands(size[0], period), _bands(size[1], period)
    mask = np.broadcast_to(columns[None, :] if is_upright else rows[:, None], (size[1], size[0]))
    return _patterned(mask, "striped", "条纹", dice)


def _checked(size: Size, dice: random.Random) -> Backdrop:
    period = dice.randint(20, 80)
    return _patterned(_bands(size[0], period)[None, :] ^ _bands(size[1], period)[:, None], "checked", "方格", dice)


def _cloudy(size: Size, dice: random.Random) -> Backdrop:
    colour = dice.choice(_COLOURS)
    shade = _scaled(colour.rgb, dice.uniform(0.72, 0.86))
    image = _mixed(colour.rgb, shade, _noise(size, dice.randint(4, 14), dice))
    return Backdrop(image, f"on a mottled {colour.english} background", f"斑驳的{colour.chinese}", "")


def _meadow(size: Size, dice: random.Random) -> Backdrop:
    width, height = size
    horizon = round(height * dice.uniform(0.4, 0.65))
    sky = Image.linear_gradient("L").resize((width, horizon), Image.Resampling.BILINEAR)
    image = Image.new("RGB", size)
    image.paste(_mixed((236, 244, 252), (112, 172, 232), sky), (0, 0))
    grass = (dice.randint(70, 130), dice.randint(150, 180), dice.randint(50, 90))
    meadow = _mixed(grass, _scaled(grass, 0.78), _noise((width, height - horizon), 24, dice))
    image.paste(meadow, (0, horizon))
    return Backdrop(image, "on green ground under a blue sky", "绿色的地面和蓝色的天空", "")


_DRAWN: tuple[Callable[[Size, random.Random], Backdrop], ...] = (_plain, _shaded, _striped, _checked, _cloudy, _meadow)


def _patterned(mask: np.ndarray, english: str, chinese: str, dice: random.Random) -> Backdrop:
    """Return two colours by a mask [H, W] of booleans; the second is a paler or darker one of the first."""
    colour = dice.choice(_COLOURS)
    image = _mixed(colour.rgb, _scaled(colour.rgb, 0.82), Image.fromarray(mask.astype(np.uint8) * 255))
    return Backdrop(image, f"on a {english} {colour.english} background", f"{colour.chinese}的{chinese}", "")


def _bands(length: int, period: int) -> np.ndarray:
    return (np.arange(length) // period % 2).astype(bool)  # [length]


def _noise(size: Size, cells: int, dice: random.Random) -> Image.Image:
    values = np.frombuffer(dice.randbytes(cells * cells), np.uint8).reshape(cells, cells)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)


def _mixed(one: RGB, other: RGB, mask: Image.Image) -> Image.Image:
    """Return the first colour where the mask is 255, the other where it is 0."""
    return Image.composite(Image.new("RGB", mask.size, one), Image.new("RGB", mask.size, other), mask)


def _scaled(colour: RGB, factor: float) -> RGB:
    red, green, blue = (round(value * factor) for value in colour)
    return red, green, blue
