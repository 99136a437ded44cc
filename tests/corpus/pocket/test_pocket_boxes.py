"""Recorded boxes lie inside the picture and enclose exactly the drawn ink."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from vl2.corpus.pocket import TASKS, draw
from vl2.corpus.pocket.canvas import Picture
from vl2.corpus.pocket.figures import SHAPES, shape_mask, stamp
from vl2.corpus.pocket.lettering import Style, faces, measure, write
from vl2.corpus.pocket.png import encode_png

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
FAINT_RIM = 1  # pixels an anti-aliased rim may reach beyond its box


def blank(width: int = 96, height: int = 48) -> Picture:
    return Picture(Image.new("RGB", (width, height), WHITE), WHITE)


def ink_box(picture: Picture) -> tuple[int, int, int, int]:
    dark = np.asarray(picture.image.convert("L")) < 215
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


@pytest.mark.parametrize("task", [task for task in TASKS if task != "chat"])
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_boxes_lie_inside_their_picture(task: str, split: str) -> None:
    for index in range(40):
        sample = draw(task, split, 11, index)
        for item in sample.objects:
            image = sample.images[item.image]
            left, top, right, bottom = item.box
            assert 0 <= left < right <= image.width, (sample.id, item)
            assert 0 <= top < bottom <= image.height, (sample.id, item)


@pytest.mark.parametrize("task", [task for task in TASKS if task != "chat"])
def test_images_are_png_of_the_stated_size(task: str) -> None:
    for index in range(8):
        for source in draw(task, "train", 5, index).images:
            with Image.open(io.BytesIO(source.data)) as image:
                image.load()
                assert (image.format, image.mode, image.size) == ("PNG", "RGB", (source.width, source.height))


def test_png_is_lossless() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(Image.fromarray(pixels)))) as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("heldout", [False, True])
def test_every_glyph_box_encloses_its_ink(heldout: bool) -> None:
    rng = random.Random(0)
    for face in faces(heldout):
        for char in rng.sample([chr(code) for code in range(33, 127)], 12):
            picture = blank()
            box = write(picture, 20, 30, char, Style(face, rng.randint(9, 16), BLACK))
            if picture.objects:
                assert picture.objects[0].label == char
                assert np.abs(np.subtract(ink_box(picture), box)).max() <= FAINT_RIM, (face, char)


def test_glyphs_follow_the_text_and_match_the_measure() -> None:
    style = Style(faces(False)[0], 12, BLACK)
    picture = blank()
    text = "A7-4412 ok"
    box, extent = write(picture, 4, 30, text, style), measure(text, style)
    assert "".join(item.label for item in picture.objects) == text.replace(" ", "")
    assert box == (4 + extent.left, 30 + extent.top, 4 + extent.right, 30 + extent.bottom)
    centers = [(item.box[0] + item.box[2]) / 2 for item in picture.objects]
    assert centers == sorted(centers)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_figure_box_encloses_its_ink(shape: str) -> None:
    for size in (12, 21, 40):
        picture = blank(64, 64)
        box = stamp(picture, f"black {shape}", BLACK, shape_mask(shape, size), 9, 7)
        assert np.abs(np.subtract(ink_box(picture), box)).max() <= FAINT_RIM
        assert max(box[2] - box[0], box[3] - box[1]) <= size
