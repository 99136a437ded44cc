"""Canvas: a picture being drawn, its backgrounds and its mild flaws."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, SceneObject
from vl2.corpus.pocket.png import encode_png

RGB = tuple[int, int, int]
Split = Literal["train", "heldout"]
Box4 = tuple[int, int, int, int]

# All in scikit-image's wheel; public domain or CC0 (its LICENSE.txt and data README name each one).
TRAIN_PHOTOS = ("astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "grass.png", "brick.png")
HELDOUT_PHOTOS = ("chelsea.png", "gravel.png")
INK_ONLY = [0] * 41 + [255] * 215  # faint anti-aliased rims are not ink
BANK_SIZE = 256  # side of the shared noise field that every noisy picture crops from
DARK_INK, LIGHT_INK = (12, 12, 12), (250, 250, 250)


@dataclass
class Picture:
    """An image under construction and everything drawn in it; `base` is the colour behind new ink."""

    image: Image.Image
    base: RGB
    index: int = 0
    objects: list[SceneObject] = field(default_factory=list)
    paper: str = "plain"

    def __post_init__(self) -> None:
        self.pen = ImageDraw.Draw(self.image)

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return self.image.width

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return self.image.height

    def record(self, label: str, box: Box4, kind: str) -> None:
        """Add a drawn thing; corners in pixels, right and bottom exclusive."""
        left, top, right, bottom = map(float, box)
        self.objects.append(SceneObject(label, (left, top, right, bottom), self.index, kind))

    def encode(self, rng: random.Random, *, flaws: bool = True) -> ImageSource:
        """Return the finished picture as PNG bytes, sometimes with mild flaws."""
        image = _flawed(self.image, rng) if flaws else self.image
        return ImageSource(data=encode_png(image), width=image.width, height=image.height)


def luminance(colour: RGB) -> float:
    """Return the perceived brightness, 0..255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def pick_base(rng: random.Random) -> RGB:
    """Choose a background colour on which text can be read: mostly light, some dark, some coloured."""
    roll = rng.random()
    if roll < 0.3:
        level = rng.randint(236, 255)
        return (level, level, level)
    if roll < 0.62:
        return (rng.randint(205, 255), rng.randint(205, 255), rng.randint(190, 255))
    if roll < 0.86:
        return (rng.randint(0, 70), rng.randint(0, 65), rng.randint(0, 85))
    return (rng.randint(20, 170), rng.randint(20, 150), rng.randint(30, 190))


def pick_ink(rng: random.Random, base: RGB) -> RGB:
    """Choose a text colour that stands out from `base` by at least 115 luminance steps where there is room."""
    ground = luminance(base)
    if rng.random() < 0.45:
        return DARK_INK if ground > 128 else LIGHT_INK
    for _ in range(8):
        ink = (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))
        if abs(luminance(ink) - ground) > 115:
            return ink
    return DARK_INK if ground > 128 else LIGHT_INK


def open_picture(rng: random.Random, split: Split, width: int, height: int, *, base: RGB | None = None,
                 calm: bool = False, index: int = 0) -> Picture:  # fmt: skip
    """Start a picture on a fresh background; `calm` keeps to plain, paper and gradient."""
    colour = base or pick_base(rng)
    roll = rng.random()
    if roll < 0.42 or (calm and roll > 0.68):
        return Picture(Image.new("RGB", (width, height), colour), colour, index, paper="plain")
    if roll < 0.58:
        return Picture(_gradient(rng, width, height, colour), colour, index, paper="gradient")
    if roll < 0.70:
        return Picture(_grain(rng, width, height, colour, 5), colour, index, paper="paper")
    if roll < 0.80:
        return Picture(_stripes(rng, width, height, colour), colour, index, paper="striped")
    if roll < 0.90:
        return Picture(_grain(rng, width, height, colour, rng.randint(8, 16)), colour, index, paper="noisy")
    return Picture(_photo(rng, split, width, height, colour, rng.uniform(0.12, 0.3)), colour, index, paper="photo")


def open_photo(rng: random.Random, split: Split, width: int, height: int, *, index: int = 0) -> Picture:
    """Start a picture on a bare photograph; text on it needs a plate."""
    image = _photo(rng, split, width, height, (0, 0, 0), 1.0)
    return Picture(image, (128, 128, 128), index, paper="photo")


def lay_plate(picture: Picture, rng: random.Random, box: Box4) -> None:
    """Cover `box` with a plain plate and make it the ground for ink."""
    picture.base = pick_base(rng)
    picture.pen.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=picture.base)


def _shift(colour: RGB, amount: int) -> RGB:
    return tuple(max(0, min(255, channel + amount)) for channel in colour)  # type: ignore[return-value]


def _gradient(rng: random.Random, width: int, height: int, colour: RGB) -> Image.Image:
    ramp = Image.linear_gradient("L")
    if rng.random() < 0.5:
        ramp = ramp.transpose(Image.Transpose.ROTATE_90)
    span = rng.randint(10, 26) * rng.choice((-1, 1))
    low, high = _shift(colour, -span), _shift(colour, span)
    mask = ramp.resize((width, height), Image.Resampling.NEAREST)
    return Image.composite(Image.new("RGB", (width, height), high), Image.new("RGB", (width, height), low), mask)


def _stripes(rng: random.Random, width: int, height: int, colour: RGB) -> Image.Image:
    image = Image.new("RGB", (width, height), colour)
    pen, other, step = ImageDraw.Draw(image), _shift(colour, rng.choice((-18, -12, 12, 18))), rng.randint(6, 16)
    if rng.random() < 0.5:
        for y in range(rng.randint(0, step), height, step * 2):
            pen.rectangle((0, y, width, y + step - 1), fill=other)
    else:
        for x in range(rng.randint(0, step), width, step * 2):
            pen.rectangle((x, 0, x + step - 1, height), fill=other)
    return image


@lru_cache(maxsize=1)
def _noise_bank() -> np.ndarray:
    return np.random.default_rng(20_240).standard_normal((BANK_SIZE, BANK_SIZE, 3)).astype(np.float32)


@lru_cache(maxsize=64)
def _scaled_noise(amount: int, grey: bool) -> np.ndarray:
    bank = _noise_bank()
    return np.round((bank[..., :1] if grey else bank) * amount).astype(np.int16)


def _noise(rng: random.Random, width: int, height: int, amount: int) -> np.ndarray:
    bank = _scaled_noise(amount, rng.random() < 0.5)
    top, left = rng.randrange(BANK_SIZE - height + 1), rng.randrange(BANK_SIZE - width + 1)
    return bank[top : top + height, left : left + width]


def _grain(rng: random.Random, width: int, height: int, colour: RGB, amount: int) -> Image.Image:
    pixels = _noise(rng, width, height, amount) + np.asarray(colour, dtype=np.int16)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@lru_cache(maxsize=4)
def _photos(split: Split) -> tuple[Image.Image, ...]:
    try:
        files = {file.name: file for file in metadata.files("scikit-image") or [] if "data" in file.parts}
    except metadata.PackageNotFoundError as error:
        raise VL2Error("photos", "scikit-image is not installed", do="Run pip install vl2[corpus].") from error
    names = TRAIN_PHOTOS if split == "train" else HELDOUT_PHOTOS
    opened = [Image.open(str(files[name].locate())).convert("RGB") for name in names]
    sized = [(photo, round(side * photo.width / photo.height), side) for photo in opened for side in (200, 320)]
    return tuple(photo.resize((max(200, width), side), Image.Resampling.LANCZOS) for photo, width, side in sized)


def _photo(rng: random.Random, split: Split, width: int, height: int, colour: RGB, share: float) -> Image.Image:
    photo = rng.choice(_photos(split))
    left, top = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
    crop = photo.crop((left, top, left + width, top + height))
    return crop if share == 1.0 else Image.blend(Image.new("RGB", crop.size, colour), crop, share)


def _flawed(image: Image.Image, rng: random.Random) -> Image.Image:
    roll = rng.random()
    if roll < 0.72:
        return image
    if roll < 0.82:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.6)))
    if roll < 0.90:
        noise = _noise(rng, image.width, image.height, rng.randint(3, 8))
        return Image.fromarray((np.asarray(image, dtype=np.int16) + noise).clip(0, 255).astype(np.uint8))
    if roll < 0.95:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=rng.randint(60, 90))
        return Image.open(stream).convert("RGB")
    factor = rng.uniform(0.8, 1.0)
    return image.point([round(value * factor) for value in range(256)] * 3)
