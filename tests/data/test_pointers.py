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


def sample_of(answers, objects, sizes=((96, 96),), questions=("Read.", "And?")):
    from PIL import Image

    messages = []
    for number, (question, parts) in enumerate(zip(questions, answers, strict=False)):
        pictures = tuple(ImagePart() for _ in sizes) if number == 0 else ()
        messages += [Message("user", (*pictures, TextPart(f"\n{question}"))), Message("assistant", parts)]
    images = tuple(ImageSource(data=encode_png(Image.new("RGB", s)), width=s[0], height=s[1]) for s in sizes)
    return Sample("s", tuple(messages), images=images, objects=tuple(objects))


def glyphs(text, y=20, image=0):
    return [SceneObject(c, (4 + 8 * k, y, 10 + 8 * k, y + 9), image, "glyph") for k, c in enumerate(text) if c != " "]


def figure(label, left, top, image=0):
    return SceneObject(label, (left, top, left + 16, top + 16), image, "shape")


def places(processor, sample):
    item = processor(sample, for_training=True, mask_prompt=True)
    return item, Pointer(processor.tokenizer, TILE, SIDE)(sample, item)


def found(processor, sample):
    """Return the pointed tokens as (text, cells), a cell being (row, column), with its picture before if it has two."""
    item, pointed = places(processor, sample)
    told = []
    for place in pointed:
        said = int(item.labels[place.position + 1])
        assert said == int(item.input_ids[place.position + 1]) != IGNORE_INDEX
        assert not (place.targets & ~item.image_mask)[1:].any()
        cells = []
        pictures = place.targets[item.image_mask].view(len(sample.images), -1)
        for number, target in enumerate(pictures):
            first, second = target[:42].view(SIDE, SIDE + 1), target[43:].view(SIDE, SIDE + 1)
            assert torch.equal(first, second) and not target[42] and not first[:, SIDE].any()
            cells += [(number, *c) if len(pictures) > 1 else tuple(c) for c in first.nonzero().tolist()]
        told.append((processor.tokenizer.decode([said]), cells))
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
    figures = [figure("blue house", 16, 16), figure("red house", 48, 16), figure("blue star", 16, 48)]
    questions = ("What colour is the star?", "Is there a red star?")
    sample = sample_of([(TextPart("blue"),), (TextPart("no"),)], figures, questions=questions)
    assert found(processor, sample) == [("blue", [(3, 1)])]


def test_a_count_is_looked_for_evenly_at_one_token_a_figure_and_the_first_of_all(processor):
    figures = [figure("blue cross", 16, 16), replace(figure("red cross", 48, 16), box=(40, 8, 80, 56)),
               figure("red star", 16, 48)]  # fmt: skip
    for question, cells in (
        ("How many crosses are there?", [(1, 1), (2, 3)]),
        ("How many figures are there?", [(1, 1), (2, 3), (3, 1)]),
        ("How many hearts are there?", []),
    ):
        sample = sample_of([(TextPart("2"),)], figures, questions=(question,))
        assert found(processor, sample) == [("2", cells)]
        _, (place,) = places(processor, sample)
        assert place.even and bool(place.targets[0])


def test_pairs_are_looked_for_in_both_pictures(processor):
    figures = [figure("blue star", 16, 16), figure("red star", 48, 16, image=1), figure("red cross", 16, 48, image=1)]
    sizes = ((96, 96), (96, 96))
    more = sample_of([(TextPart("same"),)], figures, sizes, ("Which picture has more stars?",))
    assert found(processor, more) == [("same", [(0, 1, 1), (1, 1, 3)])]
    one = sample_of([(TextPart("second"),)], figures, sizes, ("Which picture has a red star?",))
    assert found(processor, one) == [("second", [(1, 1, 3)])]
    words = glyphs("Xq") + glyphs("Zq", image=1)
    read = sample_of([(TextPart("Zq"),)], words, sizes, ("What does the second picture say?",))
    assert found(processor, read) == [("Z", [(1, 1, 0)]), ("q", [(1, 1, 0)])]


def test_an_answer_that_stands_twice_or_nowhere_is_not_pointed_at(processor):
    twice = glyphs("Xq") + glyphs("Xq", y=60)
    assert found(processor, sample_of([(TextPart("Xq"),)], twice)) == []
    assert found(processor, sample_of([(TextPart("Zq"),)], glyphs("Xq"))) == []


def test_pictures_of_several_tiles_are_not_pointed_at(processor):
    assert found(processor, sample_of([(TextPart("Xq"),)], glyphs("Xq"), sizes=((192, 96),))) == []


def test_collated_pointers_name_row_and_position_and_are_padded(processor):
    _, short = places(processor, sample_of([(TextPart("Xq"),)], glyphs("Xq")))
    _, long = places(processor, sample_of([(TextPart("Xq"),)], glyphs("Xq"), questions=("Read it all, word by word.",)))
    joined = Pointers.collate([[], short, long])
    assert joined is not None
    assert joined.rows.tolist() == [1, 1, 2, 2]
    assert joined.positions.tolist() == [place.position for place in (*short, *long)]
    assert not joined.even.any()
    for target, place in zip(joined.targets, (*short, *long), strict=True):
        assert torch.equal(target[: len(place.targets)], place.targets)
        assert not target[len(place.targets) :].any()
    assert Pointers.collate([[], []]) is None


def test_spans_leave_out_the_very_first_token():
    assert supervised_spans(torch.tensor([5, -100, 7, 8, -100, 9])) == [(2, 4), (5, 6)]
