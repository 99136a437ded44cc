"""Made scenes: stamps and grounds as the packages lay them out, but for what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHOWN = {
    "animals/mammals/dogs/dog.png": (200, 40, 40),
    "animals/birds/owl.png": (40, 160, 40),
    "food/fruit/lemon.png": (230, 220, 30),
    "food/fruit/cartoon/lemon.png": (240, 200, 0),
    "hobbies/camera_35mm.png": (20, 20, 20),
    "town/roadsigns/stop.png": (150, 0, 150),
    "vehicles/auto/sedan.png": (40, 60, 220),
}


def disc(colour: tuple[int, int, int], size: tuple[int, int] = (120, 90)) -> Image.Image:
    image = Image.new("RGBA", (size[0] + 20, size[1] + 30))  # with empty borders, as stamps have
    ImageDraw.Draw(image).ellipse((10, 10, 10 + size[0], 10 + size[1]), fill=(*colour, 255))
    return image


def make_packages(place: Path) -> Path:
    """Write `stamps` and `grounds` below a folder, and return it."""
    for name, colour in SHOWN.items():
        (place / "stamps" / name).parent.mkdir(parents=True, exist_ok=True)
        disc(colour).save(place / "stamps" / name)
    (place / "stamps" / "other.png").write_bytes(b"of no thing that is known")
    (place / "grounds/mate/nature").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(150, 220, (300, 400, 3), np.uint8)
    Image.fromarray(pixels).save(place / "grounds/mate/nature/Wood.jpg")
    return place
