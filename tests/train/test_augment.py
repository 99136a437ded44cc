"""A boxed picture in another frame: its boxes hold what they held, and samples without boxes stay as they are."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, TextPart
from vl2.train.tuning.augment import augmented

SIZE = (120, 80)
BOX = (30, 20, 70, 50)


def sample(label: str = "red box", *, num_images: int = 1) -> Sample:
    image = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(image).rectangle((BOX[0], BOX[1], BOX[2] - 1, BOX[3] - 1), fill=(230, 20, 20))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    box = Box.from_pixels(*BOX, width=SIZE[0], height=SIZE[1])
    turns = (
        Message("user", (*[ImagePart()] * num_images, TextPart("\n"), BoxesPart(label, ()))),
        Message("assistant", (BoxesPart(label, (box,)),)),
    )
    return Sample("s", turns, images=(ImageSource(data=stream.getvalue()),) * num_images)


def two_colours(label: str) -> Sample:
    """Return the sample with the right half of its box in blue."""
    one = sample(label)
    image = Image.open(io.BytesIO(one.images[0].data)).convert("RGB")
    ImageDraw.Draw(image).rectangle((50, BOX[1], BOX[2] - 1, BOX[3] - 1), fill=(20, 20, 230))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return replace(one, images=(ImageSource(data=stream.getvalue()),))


@pytest.mark.parametrize("seed", range(20))
def test_the_box_holds_what_it_held(seed):
    shown = augmented(sample(), np.random.default_rng(seed))
    image = Image.open(io.BytesIO(shown.images[0].data)).convert("RGB")
    assert image.size == SIZE
    pixels = np.asarray(image, dtype=int)
    ys, xs = np.nonzero(pixels[..., 0] - pixels[..., 1] > 100)
    part = shown.messages[-1].parts[0]
    x1, y1, x2, y2 = (edge * side for edge, side in zip(part.boxes[0].unit(), SIZE * 2, strict=True))
    assert abs(xs.min() - x1) < 1.5 and abs(xs.max() + 1 - x2) < 1.5
    assert abs(ys.min() - y1) < 1.5 and abs(ys.max() + 1 - y2) < 1.5


@pytest.mark.parametrize("seed", range(6))
def test_several_boxes_stand_in_the_order_of_the_labels(seed):
    one = sample()
    boxes = (Box(600, 100, 700, 200), Box(100, 500, 200, 600), Box(300, 500, 400, 600))
    several = replace(one, messages=(one.messages[0], Message("assistant", (BoxesPart("red box", boxes),))))
    found = augmented(several, np.random.default_rng(seed)).messages[-1].parts[0].boxes
    assert len(found) == 3 and list(found) == sorted(found, key=lambda box: (box.y1, box.x1))


def test_frames_differ_and_repeat():
    boxes = [augmented(sample(), np.random.default_rng(seed)).messages[-1] for seed in (1, 1, 2)]
    assert boxes[0] == boxes[1] != boxes[2]


@pytest.mark.parametrize("label", ["the left box", "右边的盒子"])
def test_sides_that_are_named_are_not_mirrored(label):
    for seed in range(12):
        shown = augmented(two_colours(label), np.random.default_rng(seed))
        pixels = np.asarray(Image.open(io.BytesIO(shown.images[0].data)).convert("RGB"), dtype=int)
        reds, blues = (np.nonzero(pixels[..., channel] - pixels[..., 1] > 100)[1] for channel in (0, 2))
        assert reds.mean() < blues.mean(), "red stays on the left"


def test_what_has_no_boxes_or_several_pictures_stays():
    words = Sample("t", (Message("user", (TextPart("Hello."),)), Message("assistant", (TextPart("Hello."),))))
    random = np.random.default_rng(0)
    assert augmented(words, random) is words
    two = sample(num_images=2)
    assert augmented(two, random) is two
    one = sample()
    written = Message("assistant", (TextPart("<|det|>[[599, 599, 899, 899]]<|/det|>"),))
    told_twice = replace(one, messages=(*one.messages, one.messages[0], written))
    assert augmented(told_twice, random) is told_twice, "a box that is written out would stay where it is"
