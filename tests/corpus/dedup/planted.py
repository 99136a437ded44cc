"""Planted duplicates: texts a known distance apart, and pictures made again in other sizes and qualities."""

from __future__ import annotations

import io
import random
import string
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw

WORDS = 5  # of a run


def vocabulary(rng: random.Random, size: int = 20_000) -> list[str]:
    return ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(size)]


def true_jaccard(one: str, other: str) -> float:
    sets = [
        {tuple(text.split()[at : at + WORDS]) for at in range(len(text.split()) - WORDS + 1)} for text in (one, other)
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def pairs(rng: random.Random, number: int, low: float, high: float) -> Iterator[tuple[str, str]]:
    """Yield texts and copies with some words replaced, whose true similarity lies within these bounds."""
    words = vocabulary(rng)
    while number:
        text = rng.choices(words, k=rng.randint(120, 300))
        copy = list(text)
        for _ in range(round(len(text) * (1 - low) / (1 + low) / WORDS)):
            copy[rng.randrange(len(copy))] = rng.choice(words)
        pair = " ".join(text), " ".join(copy)
        if low <= true_jaccard(*pair) < high:
            number -= 1
            yield pair


def scene(seed: int, side: int = 360) -> Image.Image:
    """Return a picture with a ground that changes and some figures: what no other seed has."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(0, 255, (5, 5, 3), np.uint8)).resize(
        (side, side * 3 // 4), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(ground)
    for _ in range(int(rng.integers(3, 9))):
        x, y, width, height = (float(v) for v in rng.uniform((0, 0, 20, 20), (side * 0.8, side * 0.5, 140, 110)))
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)((x, y, x + width, y + height), fill=colour)
    return ground


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)


def larger(image: Image.Image) -> Image.Image:
    return image.resize((image.width * 17 // 10, image.height * 17 // 10), Image.Resampling.LANCZOS)


def jpeg(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=50)
    return Image.open(io.BytesIO(out.getvalue())).convert("RGB")


VARIANTS: dict[str, Callable[[Image.Image], Image.Image]] = {"half": smaller, "larger": larger, "JPEG q50": jpeg}


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
