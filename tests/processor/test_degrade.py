"""Degraded images get worse with each level, are the same for the same seed, and their boxes go with them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vl2.core.errors import ImageError, VL2Error
from vl2.processor.degrade import BAND, DEGRADATIONS, GRAINS, LEVELS, NOISE, degrade, degrade_box
from vl2.processor.images import ImageLimits

SIZE = (160, 120)
BOX = (90, 20, 130, 70)


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A gradient with a red box and fine lines."""
    image = Image.linear_gradient("L").resize(SIZE).convert("RGB")
    pen = ImageDraw.Draw(image)
    for x in range(0, SIZE[0], 5):
        pen.line((x, 80, x, 118), fill="black")
    pen.rectangle((BOX[0], BOX[1], BOX[2] - 1, BOX[3] - 1), fill=(230, 20, 20))
    return png(image)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("kind", [kind for kind in DEGRADATIONS if kind != "rotation"])
def test_every_level_is_worse(kind, picture):
    errors = [float(((pixels(degrade(picture, kind, level)) - pixels(picture)) ** 2).mean()) for level in LEVELS]
    assert all(a < b for a, b in zip(errors, errors[1:], strict=False)), errors
    assert errors[0] > 1
    assert degrade_box(BOX, SIZE, kind, 5) == BOX


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_a_seed_repeats(kind, picture):
    assert degrade(picture, kind, 3, seed=4) == degrade(picture, kind, 3, seed=4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", LEVELS)
def test_a_turned_box_holds_what_it_held(level, seed, picture):
    turned = pixels(degrade(picture, "rotation", level, seed))
    left, top, right, bottom = degrade_box(BOX, SIZE, "rotation", level, seed)
    red = (turned[..., 0] - turned[..., 1]) > 100
    ys, xs = np.nonzero(red)
    assert (xs.min(), ys.min()) >= (left - 1, top - 1) and xs.max() <= right and ys.max() <= bottom
    assert abs(xs.min() - left) < 2 and abs(xs.max() + 1 - right) < 2, "and is the least such box"
    assert abs(ys.min() - top) < 2 and abs(ys.max() + 1 - bottom) < 2
    assert red.sum() == pytest.approx((BOX[2] - BOX[0]) * (BOX[3] - BOX[1]), rel=0.05), "nothing was cut off"


def test_what_is_wrong_is_one_line(picture):
    with pytest.raises(VL2Error, match="unknown kind.*Did you mean 'blur'"):
        degrade(picture, "blurr", 1)
    with pytest.raises(VL2Error, match="unknown level"):
        degrade(picture, "blur", 6)
    with pytest.raises(ImageError):
        degrade(b"no image", "blur", 1)


def test_large_images_have_large_grains_and_no_seams():
    width, height = 2 * GRAINS, 602
    assert width * height > 2 * BAND, "several bands"
    noisy = pixels(degrade(png(Image.new("RGB", (width, height), "gray")), "noise", 2))
    assert (noisy[::2, ::2] == noisy[1::2, 1::2]).all(), "two pixels a grain"
    assert noisy.std() == pytest.approx(NOISE[1], rel=0.02) and noisy.mean() == pytest.approx(128, abs=0.2)
    rows = noisy[::2, ::2].reshape(height // 2, -1)
    assert len(np.unique(rows, axis=0)) == len(rows), "no band repeats another"


def test_limits_hold_before_and_after(picture):
    pixels = SIZE[0] * SIZE[1]
    with pytest.raises(ImageError, match="too many pixels"):
        degrade(picture, "blur", 1, limits=ImageLimits(max_pixels=pixels - 1))
    with pytest.raises(ImageError, match="turned image: too many pixels"):
        degrade(picture, "rotation", 1, limits=ImageLimits(max_pixels=pixels))
    with pytest.raises(ImageError, match="degraded image: too large"):
        degrade(picture, "noise", 5, limits=ImageLimits(max_bytes=len(picture) + 100))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_the_smallest_images(kind, size):
    for level in LEVELS:
        assert min(pixels(degrade(png(Image.new("RGB", size, "red")), kind, level)).shape[:2]) >= 1
