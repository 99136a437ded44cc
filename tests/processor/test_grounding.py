"""Boxes in answers: the recorded cases, and whatever else a model may write."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vl2.core.boxes import Box
from vl2.processor import Span, draw_boxes, parse, render

FIXTURES = Path(__file__).parents[1] / "fixtures" / "processor"
RECORDED = json.loads((FIXTURES / "ref_bbox_cases.json").read_text(encoding="utf-8"))

# Where we do better than the released code, by the response. What it did; the pixel boxes that we read.
BETTER = {
    "<|ref|>x<|/ref|><|det|>[[1.5, 2, 900, 1200]]<|/det|>": (
        "drew beyond the image; we clamp to 999", [(0, 0, 576, 480)],
    ),
    "<|ref|>multi\nline<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>": (
        "lost a label with a newline", [(0, 0, 1, 1)],
    ),
    "<|ref|>x<|/ref|><|det|>[[1, 2, 3, __import__('os').getpid()*0+4]]<|/det|>": (
        "evaluated the answer as a program; we take no box from it", [],
    ),
    "<|ref|>x<|/ref|><|det|>[1, 2, 3, 4]<|/det|>": (
        "drew nothing when the outer brackets were missing", [(0, 0, 1, 1)],
    ),
    "<|ref|>x<|/ref|><|det|>[[500, 500, 100, 100]]<|/det|>": (
        "drew corners in the wrong order; we sort them", [(64, 48, 320, 240)],
    ),
}  # fmt: skip


def boxes_of(spans: tuple[Span, ...], width: int, height: int) -> list[tuple[int, ...]]:
    return [box.pixels(width, height) for span in spans for box in span.boxes]


@pytest.mark.parametrize("case", RECORDED, ids=range(len(RECORDED)))
def test_recorded_case(case):
    spans = parse(case["response"])
    drawn = boxes_of(spans, *case["image_size"])
    if case["response"] in BETTER:
        assert drawn == BETTER[case["response"]][1]
        assert any(span.problems for span in spans) or "\n" in case["response"]
        return
    labels = [span.label for span in spans for _ in span.boxes]
    assert drawn == [tuple(call[1]) for call in case["draw_calls"] if call[0] == "box"]
    assert labels == [call[1] for call in case["draw_calls"] if call[0] == "label"]


def test_every_better_case_is_recorded():
    assert set(BETTER) <= {case["response"] for case in RECORDED}


def test_pieces_in_order():
    cats = "<|ref|>cat<|/ref|><|det|>[[1, 2, 3, 4], [5, 6, 7, 8]]<|/det|>"
    dog = "<|ref|>dog<|/ref|> <|det|>[[0,0,9,9]]<|/det|>"
    text = f"A {cats} and {dog}.<e>"
    assert parse(text) == (
        Span(text="A "),
        Span(text=cats, label="cat", boxes=(Box(1, 2, 3, 4), Box(5, 6, 7, 8))),
        Span(text=" and "),
        Span(text=dog, label="dog", boxes=(Box(0, 0, 9, 9),)),
        Span(text=".<e>"),
    )


X = "<|ref|>x<|/ref|><|det|>"


@pytest.mark.parametrize(
    ("text", "boxes", "problem"),
    [
        (X + "[[1, 2, 3]]<|/det|>", [], "a list that has not four numbers"),
        (X + "[[1, 2, 3, 4, 5]]<|/det|>", [(1, 2, 3, 4)], "a list that has not four numbers"),
        (X + "[1, 2, 3, 4, 5, 6, 7, 8]<|/det|>", [(1, 2, 3, 4), (5, 6, 7, 8)], "a list that has not four numbers"),
        (X + "[[[[1, 2, 3, 4]]]]<|/det|>", [(1, 2, 3, 4)], None),
        (X + "[[1 2 3 4]]<|/det|>", [(1, 2, 3, 4)], None),
        (X + "1, 2, 3, 4<|/det|>", [(1, 2, 3, 4)], "brackets are missing"),
        (X + "[[1, 2, 3, 4], [5, 6, 7, x]]<|/det|>", [(1, 2, 3, 4)], "something that is not a number"),
        (X + "[[1, 2, 3, 4", [(1, 2, 3, 4)], "the boxes are not closed"),
        (X + "[[1, 2, 3, 4], [5, 6", [(1, 2, 3, 4)], "the boxes are not closed"),
        (X + "[[1, 2, 3, 4]] and 5 dogs", [(1, 2, 3, 4)], "the boxes are not closed"),
        (X + "<|/det|>", [], "no boxes"),
        (X + "[]<|/det|>", [], "no boxes"),
        (X, [], "the boxes are not closed"),
        ("<|ref|>x<|det|>[[1, 2, 3, 4]]<|/det|>", [(1, 2, 3, 4)], "the label is not closed"),
        ("<|ref|>x", [], "the label is not closed"),
        ("<|ref|>x<｜end▁of▁sentence｜>", [], "the label is not closed"),
        ("<|det|>[[1, 2, 3, 4]]<|/det|>", [(1, 2, 3, 4)], "boxes without a label"),
        ("<|ref|>x<|/ref|> is here", [], "a label without boxes"),
        (X + "[[1.9, 2.0, 3, 4]]<|/det|>", [(1, 2, 3, 4)], "a coordinate with a fraction"),
        (X + "[[-5, 2, 3, 4000]]<|/det|>", [(0, 2, 3, 999)], "a coordinate out of 0..999"),
        (X + f"[[1, 2, 3, {'9' * 100_000}]]<|/det|>", [(1, 2, 3, 999)], "a coordinate out of 0..999"),
        (X + "[[1, 2, 3, 1e999]]<|/det|>", [], "something that is not a number"),
        (X + "[[1, 2, nan, inf]]<|/det|>", [], "something that is not a number"),
        (X + "[[1, 2, 3, ٤]]<|/det|>", [], "something that is not a number"),
        (X + "[[1, 2, ., -]]<|/det|>", [], "something that is not a number"),
        (X + "[[30, 2, 10, 4]]<|/det|>", [(10, 2, 30, 4)], "corners in the wrong order"),
    ],
)
def test_what_a_model_may_write(text, boxes, problem):
    spans = parse(text)
    assert [box.thousandths() for span in spans for box in span.boxes] == boxes
    assert "".join(span.text for span in spans) == text
    problems = [found for span in spans for found in span.problems]
    assert problem in problems if problem else not problems


@pytest.mark.parametrize(
    "text", ["", "plain", "<|/ref|>", "<|/det|> and <|/ref|>", "<|grounding|>x", "<|", "a < b | c > d"]
)
def test_plain_text_stays_plain(text):
    assert parse(text) == ((Span(text=text),) if text else ())


MARKS = [
    "<|ref|>",
    "<|/ref|>",
    "<|det|>",
    "<|/det|>",
    "[[1, 2, 3, 4]]",
    "[",
    "]",
    "7",
    ",",
    "\n",
    "é",
    "<|x|>",
    "<｜e｜>",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(MARKS), max_size=30).map("".join))
def test_nothing_is_lost(text):
    spans = parse(text)
    assert "".join(span.text for span in spans) == text
    assert all(span.text for span in spans)
    for span in spans:
        assert span.label is not None or not (span.boxes or span.problems)


sides = st.tuples(st.integers(0, 999), st.integers(0, 999)).map(sorted)
some_boxes = st.lists(
    st.tuples(sides, sides).map(lambda s: Box(s[0][0], s[1][0], s[0][1], s[1][1])), min_size=1, max_size=5
)


@settings(deadline=None)
@given(label=st.text(alphabet=st.characters(exclude_characters="<"), max_size=20), boxes=some_boxes)
def test_rendered_and_read_alike(label, boxes):
    phrase = render(label, boxes)
    assert parse(phrase) == (Span(text=phrase, label=label, boxes=tuple(boxes)),)


@pytest.mark.parametrize(
    "unit",
    ["<|ref|>", "<|ref|>a<|/ref|>", "<|det|>", X, "[", "<|det|>[[1, 2", "<|x|>", "<", "<|", "9", "1.", "-",
     "<|/ref|><|x|>", X + "[[1, 2, 3, 4]]<|/det|>"],
)  # fmt: skip
@pytest.mark.parametrize("head", ["", X + "[["])
def test_a_megabyte_of_garbage_is_read_in_linear_time(head, unit):
    text = head + unit * (1_000_000 // len(unit))
    started = time.process_time()
    spans = parse(text)
    assert time.process_time() - started < 10
    assert "".join(span.text for span in spans) == text


def test_draw_boxes():
    image = Image.new("L", (200, 100), 255)
    phrases = (
        render("cat", (Box(100, 300, 500, 900),))
        + render("dog", (Box(600, 0, 999, 999),))
        + render("cat", (Box(0, 0, 0, 0),))
    )
    drawn = draw_boxes(image, parse(phrases))
    assert drawn.mode == "RGB" and drawn.size == image.size and image.getextrema() == (255, 255)
    pixels = np.asarray(drawn)
    cat, dog = pixels[60, 20], pixels[50, 120]
    assert not (cat == 255).all() and not (dog == 255).all() and not (cat == dog).all()
    assert (pixels[70, 60] == 255).all()  # inside of the cat


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (2000, 2)])
def test_draw_on_odd_sizes(size):
    spans = parse(
        render("a long label\nof two lines, 日本語 \x00" * 20, (Box(0, 0, 999, 999), Box(999, 999, 999, 999)))
    )
    assert draw_boxes(Image.new("RGBA", size), spans).size == size
