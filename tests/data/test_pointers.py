"""A token is pointed at where its letter or box stands; what cannot be placed for certain is not pointed at."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vl2.core.batch import IGNORE_INDEX
from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, SceneObject, TextPart
from vl2.corpus.pocket.png import encode_png
from vl2.corpus.pocket.vocabulary import build_processor
from vl2.data.pointers import Pointer, Pointers, supervised_spans

SIDE, TILE = 6, 96  # 16 pixels a visual token


@pytest.fixture(scope="module")
def processor():
    return build_processor()


def sample_of(answers, objects, size=(96, 96)):
    from PIL import Image

    messages = []
    for number, parts in enumerate(answers):
        asked = (ImagePart(), TextPart("\nRead.")) if number == 0 else (TextPart("And?"),)
        messages += [Message("user", asked), Message("assistant", parts)]
    source = ImageSource(data=encode_png(Image.new("RGB", size)), width=size[0], height=size[1])
    return Sample("s", tuple(messages), images=(source,), objects=tuple(objects))


def glyphs(text, y=20):
    return [SceneObject(c, (4 + 8 * k, y, 10 + 8 * k, y + 9), 0, "glyph") for k, c in enumerate(text) if c != " "]


def found(processor, sample):
    """Return the pointed tokens as (text, cells), a cell being (row, column)."""
    item = processor(sample, for_training=True, mask_prompt=True)
    pointer = Pointer(processor.tokenizer, TILE, SIDE)
    told = []
    for position, target in pointer(sample, item):
        assert int(item.labels[position + 1]) == int(item.input_ids[position + 1]) != IGNORE_INDEX
        first, second = target[:42].view(SIDE, SIDE + 1), target[43:].view(SIDE, SIDE + 1)
        assert torch.equal(first, second) and not target[42] and not first[:, SIDE].any()
        told.append((pointer.read(int(item.input_ids[position + 1])), [tuple(c) for c in first.nonzero().tolist()]))
    return told


def test_letters_point_at_their_places_and_spaces_at_none(processor):
    told = found(processor, sample_of([(TextPart("Xq Zv"),)], glyphs("Xq Zv")))
    assert told == [("X", [(1, 0)]), ("q", [(1, 0)]), ("Z", [(1, 1)]), ("v", [(1, 2)])]


def test_coordinates_point_at_their_box_in_every_turn(processor):
    boxes = [Box.from_pixels(32, 48, 64, 80, width=96, height=96), Box.from_pixels(0, 0, 16, 16, width=96, height=96)]
    answers = [(TextPart("No such thing."),), (BoxesPart("the boxes", tuple(boxes)),)]
    told = found(processor, sample_of(answers, []))
    numbers = [str(value) for box in boxes for value in box.thousandths()]
    assert [piece for piece, _ in told] == ["<|ref|>", *numbers]
    assert told[0][1] == [(0, 0), (3, 2), (3, 3), (4, 2), (4, 3)]  # whether there is anything to be found
    assert told[1][1] == [(3, 2), (3, 3), (4, 2), (4, 3)]
    assert told[-1][1] == [(0, 0)]


def test_an_answer_points_at_the_figures_it_names_with_its_question(processor):
    figures = [
        SceneObject("blue house", (16, 16, 32, 32), 0, "shape"),
        SceneObject("red house", (48, 16, 64, 32), 0, "shape"),
        SceneObject("blue star", (16, 48, 32, 64), 0, "shape"),
    ]
    sample = sample_of([(TextPart("blue"),), (TextPart("no"),)], figures)
    asked = (
        Message("user", (ImagePart(), TextPart("\nWhat colour is the star?"))),
        sample.messages[1],
        Message("user", (TextPart("Is there a red star?"),)),
        sample.messages[3],
    )
    assert found(processor, replace(sample, messages=asked)) == [("blue", [(3, 1)])]


def test_an_answer_that_stands_twice_or_nowhere_is_not_pointed_at(processor):
    twice = glyphs("Xq") + glyphs("Xq", y=60)
    assert found(processor, sample_of([(TextPart("Xq"),)], twice)) == []
    assert found(processor, sample_of([(TextPart("Zq"),)], glyphs("Xq"))) == []


def test_pictures_of_several_tiles_are_not_pointed_at(processor):
    assert found(processor, sample_of([(TextPart("Xq"),)], glyphs("Xq"), size=(192, 96))) == []


def test_collated_pointers_name_row_position_and_picture(processor):
    sample = sample_of([(TextPart("Xq"),)], glyphs("Xq"))
    item = processor(sample, for_training=True, mask_prompt=True)
    places = Pointer(processor.tokenizer, TILE, SIDE)(sample, item)
    joined = Pointers.collate([[], places], [item, item])
    assert joined is not None
    assert joined.rows.tolist() == [1, 1]
    assert joined.positions.tolist() == [position for position, _ in places]
    assert joined.firsts.tolist() == [int(item.image_mask.nonzero()[0])] * 2
    assert Pointers.collate([[], []], [item, item]) is None


def test_spans_leave_out_the_very_first_token():
    assert supervised_spans(torch.tensor([5, -100, 7, 8, -100, 9])) == [(2, 4), (5, 6)]
