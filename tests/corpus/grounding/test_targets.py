"""Every target is read back by the strict parser; pixels come back to within a rounding; captions come back whole."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImageSource, Message, Sample, SceneObject, TextPart
from vl2.corpus.grounding.describe import DescribeGrounded
from vl2.corpus.grounding.spans import drop_overlapping, inline, read_spans, stripped
from vl2.corpus.grounding.targets import checked, is_plain, targets_of, to_box
from vl2.corpus.grounding.wording import ask_for, say
from vl2.corpus.pocket.draw import draw
from vl2.data.faults import RowError
from vl2.processor import parse, render
from vl2.processor.marks import ADDED_IN_ORDER

SIDES = st.integers(1, 20_000)
CORNER = st.floats(allow_nan=True, allow_infinity=True, width=32) | st.integers(-50, 20_050)
MARKED = st.sampled_from((*ADDED_IN_ORDER, "[[1, 2, 3, 4]]", "\n", "a cat", "猫", " "))
HOSTILE = st.lists(st.text(max_size=8) | MARKED, max_size=6).map("".join)


@given(SIDES, SIDES, CORNER, CORNER, CORNER, CORNER)
def test_pixels_come_back_to_within_half_a_thousandth_and_a_pixel(width, height, x1, y1, x2, y2):
    box = to_box((x1, y1, x2, y2), (width, height))
    if box is None:
        return
    inside = (max(0, x1), max(0, y1), min(width, x2), min(height, y2))
    for before, after, side in zip(inside, box.pixels(width, height), (width, height) * 2, strict=True):
        assert abs(before - after) <= side / 1998 + 1 + 1e-6 * side


@given(st.lists(st.tuples(HOSTILE, st.tuples(CORNER, CORNER, CORNER, CORNER)), max_size=12), SIDES, SIDES)
def test_all_targets_pass_the_strict_parser(told, width, height):
    objects = [SceneObject(label, corners) for label, corners in told]
    for target in targets_of(objects, (width, height), 8):
        (span,) = parse(render(target.label, target.boxes))
        assert (span.label, span.boxes, span.problems) == (target.label, target.boxes, ())
        assert list(target.boxes) == sorted(set(target.boxes), key=lambda b: (b.y1, b.x1, b.y2, b.x2))
        num_told = sum(item.label.strip() == target.label for item in objects)
        assert len(target.boxes) <= num_told and all(b.x1 < b.x2 and b.y1 < b.y2 for b in target.boxes)


def test_a_label_with_one_bad_box_or_too_many_is_not_asked_for():
    def labels(*objects, most=2):
        return [target.label for target in targets_of([SceneObject(*o) for o in objects], (1000, 1000), most)]

    good, sliver, outside = (1, 1, 50, 50), (1, 1, 1.4, 50), (2000, 1, 2050, 50)
    assert labels(("a", good), ("b", good), ("b", sliver), ("c", outside), ("d", (9, 9, 1, 1))) == ["a"]
    assert labels(("a", good), ("a", (2, 2, 60, 60)), ("a", (3, 3, 70, 70))) == []
    assert labels(("a", good), ("a", good), ("a", good)) == ["a"]  # one box, told three times
    assert labels(("a", (1, 1, math.nan, 50))) == []


@pytest.mark.parametrize("text", ["<|ref|>", "a<|/det|>", "<image>", "a\nb", "", " a", "\ud800", "x" * 201, "[[1"])
def test_what_cannot_stand_between_marks_is_no_label(text):
    assert not is_plain(text)


def test_an_answer_that_the_parser_reads_otherwise_is_refused():
    def row(*parts):
        return Sample("a", (Message("assistant", parts),))

    fine = row(TextPart("Here: "), BoxesPart("a cat", (Box(1, 2, 3, 4),)))
    assert checked(fine) is fine
    for bad in ((BoxesPart("a<|ref|>", (Box(1, 2, 3, 4),)),), (TextPart("<|det|>[[1, 2]]<|/det|>"),),
                (BoxesPart("a cat", ()),), (BoxesPart("", (Box(1, 2, 3, 4),)), TextPart("<|ref|>"))):  # fmt: skip
        with pytest.raises(RowError, match="come back"):
            checked(row(*bad))


SPAN = st.tuples(st.integers(-2, 40), st.integers(-2, 44), *[st.integers(-5, 110)] * 4).map(list)


@given(st.text(max_size=40) | st.text("a dog 猫.\n", max_size=40), st.lists(SPAN, max_size=10))
def test_a_caption_without_its_marks_is_the_caption(caption, told):
    spans = drop_overlapping(read_spans(told, caption, (100, 100)))
    parts = inline(caption, spans)
    assert stripped(parts) == caption
    assert all(one[1] <= two[0] for one, two in zip(spans, spans[1:], strict=False))
    if not any(mark in caption for mark in ("<|", "|>", "｜")):
        written = "".join(render(p.label, p.boxes) if isinstance(p, BoxesPart) else p.text for p in parts)
        read = parse(written)
        assert "".join(s.text if s.label is None else s.label for s in read) == caption
        assert not any(span.problems for span in read)


def test_grit_captions_become_grounded_answers():
    image = draw("shapes", "train", 0, 0).images[0]
    caption = "Two dogs run past a tree."
    spans = [[0, 8, 1, 1, 30, 30], [0, 8, 40, 1, 90, 30], [4, 8, 1, 1, 30, 30], [18, 24, 5, 5, 20.0, 40.5]]
    row = Sample("a", (), (image,), provenance={"caption": caption, "spans": spans})
    made = DescribeGrounded().change(row)
    answer = made.messages[1].parts
    assert [(p.label, len(p.boxes)) for p in answer if isinstance(p, BoxesPart)] == [("Two dogs", 2), ("a tree", 1)]
    assert stripped(answer) == caption
    assert made.messages[0].parts[1].text.startswith("\n<|grounding|>")
    for wrong, reason in (({"spans": [[0, 3]]}, "six numbers"), ({"spans": []}, "without boxes"),
                          ({"caption": None}, "without their caption"), ({"spans": 3}, "six numbers"),
                          ({"caption": "<|ref|> two dogs and a tree"}, "marks of its own")):  # fmt: skip
        with pytest.raises(RowError, match=reason):
            DescribeGrounded().change(replace(row, provenance={**row.provenance, **wrong}))
    with pytest.raises(RowError, match="no image"):
        DescribeGrounded().change(replace(row, images=()))


def test_no_sentence_of_the_pools_reads_as_boxes():
    import random

    from vl2.corpus.grounding.wording import _pools

    for pool, languages in _pools().items():
        for language, sentences in languages.items():
            assert sentences and all(sentence.count("{query}") == (pool != "describe") for sentence in sentences)
            assert parse(say(pool, language, random.Random(0), "a cat"))[0].label is None
    parts = ask_for("locate", "en", random.Random(1), "a cat")
    assert BoxesPart("a cat", ()) in parts


def test_images_without_a_known_size_are_measured():
    sample = draw("ground", "train", 0, 0)
    bare = replace(sample, images=(ImageSource(data=sample.images[0].data),), provenance={"images": []})
    from vl2.corpus.grounding.targets import size_of

    assert size_of(bare, 0) == (sample.images[0].width, sample.images[0].height)
