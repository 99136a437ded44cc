"""Grounds of lines: what texts are drawn on, and inks that can be read on it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from vl2.core.errors import VL2Error
from vl2.processor import open_image

RGB = tuple[int, int, int]
LEAST_CONTRAST = 4.5  # of luminances, as the Web Content Accessibility Guidelines ask for
_LONGEST_PHOTO = 1400  # pixels
_GREY = np.array([0.2126, 0.7152, 0.0722])
_INKS = (
    (12, 12, 16), (40, 36, 30), (20, 30, 90), (110, 16, 20), (10, 70, 40), (70, 20, 90), (90, 50, 10), (60, 60, 66),
    (252, 252, 250), (255, 244, 214), (255, 226, 90), (190, 230, 255), (200, 255, 200), (255, 205, 200),
)  # fmt: skip
_DARK_FIRST = 8  # of the inks


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Pixels [H, W, 3], and two inks that can be read on all of them."""

    image: Image.Image
    ink: RGB
    accent: RGB


def draw_ground(kind: str, size: tuple[int, int], dice: random.Random, photos: str) -> Ground:
    """Return a ground of a kind and a size: plain, paper, gradient or photo."""
    pixels = _KINDS[kind](size, dice, photos)
    light = (pixels @ _GREY).mean() > 128 if kind != "photo" else dice.random() < 0.5
    if kind == "photo":  # a veil, so that no part of it is as light or dark as the ink
        pixels = pixels * 0.3 + (178 if light else 0)
    inks = [ink for ink in (_INKS[:_DARK_FIRST] if light else _INKS[_DARK_FIRST:]) if _is_read(ink, pixels)]
    inks = inks or [(0, 0, 0) if light else (255, 255, 255)]
    ink = inks[0] if dice.random() < 0.5 else dice.choice(inks)
    return Ground(image=Image.fromarray(pixels.astype(np.uint8)), ink=ink, accent=dice.choice(inks))


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """Return the contrast of two colours in 0..255, 1 to 21."""
    first, second = _luminance(one) + 0.05, _luminance(other) + 0.05
    return float(max(first, second) / min(first, second))


def _is_read(ink: RGB, pixels: np.ndarray) -> bool:
    ends = np.percentile(pixels[::8, ::8].reshape(-1, 3) @ _GREY, (5, 95))
    return all(contrast(np.array(ink), np.full(3, end)) >= LEAST_CONTRAST for end in ends)


def _luminance(colour: np.ndarray) -> float:
    shares = colour / 255
    return float(np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4) @ _GREY)


def _plain(size: tuple[int, int], dice: random.Random, photos: str) -> np.ndarray:
    width, height = size
    return np.broadcast_to(_colour(dice), (height, width, 3)).astype(np.float32)


def _colour(dice: random.Random) -> np.ndarray:
    """Return white in most cases, else a pale or a dark colour."""
    drawn = dice.random()
    if drawn < 0.4:
        return np.array([255, 255, 255])
    low, high = (215, 255) if drawn < 0.8 else (0, 60)
    return np.array([dice.randint(low, high) for _ in range(3)])


def _gradient(size: tuple[int, int], dice: random.Random, photos: str) -> np.ndarray:
    width, height = size
    is_dark = dice.random() < 0.4
    low, high = (0, 70) if is_dark else (195, 255)
    ends = [np.array([dice.randint(low, high) for _ in range(3)]) for _ in range(2)]
    across, down = dice.random(), dice.random()
    places = across * np.linspace(0, 1, width)[None, :, None] + down * np.linspace(0, 1, height)[:, None, None]
    return ends[0] + (ends[1] - ends[0]) * (places / (across + down)).astype(np.float32)


def _paper(size: tuple[int, int], dice: random.Random, photos: str) -> np.ndarray:
    """Return a warm or grey white with grain, darker to one side as a page that is not quite flat."""
    width, height = size
    grain = np.random.default_rng(dice.getrandbits(32)).integers(-7, 8, (height, width, 1), np.int8)
    tone = np.array(dice.choice([(250, 246, 232), (244, 238, 220), (240, 240, 238), (252, 250, 246), (236, 228, 208)]))
    shade = 1 - dice.uniform(0, 0.12) * np.linspace(0, 1, width)[None, :: dice.choice((1, -1)), None]
    return np.clip(tone * shade.astype(np.float32) + grain, 0, 255)


def _photo(size: tuple[int, int], dice: random.Random, photos: str) -> np.ndarray:
    """Return a piece of a photograph."""
    width, height = size
    image = _opened(dice.choice(_photos(photos)))
    scale = max(width / image.width, height / image.height)
    wide, high = min(image.width, round(width / scale)), min(image.height, round(height / scale))
    shrink = dice.uniform(0.5, 1.0)
    wide, high = max(1, round(wide * shrink)), max(1, round(high * shrink))
    left, top = dice.randint(0, image.width - wide), dice.randint(0, image.height - high)
    piece = image.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + wide, top + high))
    return np.asarray(piece, np.float32)


_KINDS = {"plain": _plain, "paper": _paper, "gradient": _gradient, "photo": _photo}


@lru_cache(maxsize=4)
def _photos(folder: str) -> tuple[str, ...]:
    found = sorted(str(path) for path in Path(folder).rglob("*") if path.suffix in (".jpg", ".png", ".webp"))
    if not found:
        raise VL2Error("draw_lines", "no photographs here", got=folder, do="Set photos to a folder of pictures.")
    return tuple(found)


@lru_cache(maxsize=32)
def _opened(path: str) -> Image.Image:
    image = open_image(path)
    image.thumbnail((_LONGEST_PHOTO, _LONGEST_PHOTO))
    return image
