"""The grammar of boxes: all that is rendered, nothing else, and a way to the end from everywhere."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vl2.core.boxes import Box
from vl2.engine.box_grammar import CHARACTERS, BoxState, largest_value
from vl2.processor.grounding import parse, render_boxes
from vl2.processor.marks import DET, DET_END

sides = st.tuples(st.integers(0, 999), st.integers(0, 999)).map(sorted)
some_boxes = st.lists(
    st.tuples(sides, sides).map(lambda s: Box(s[0][0], s[1][0], s[0][1], s[1][1])), min_size=1, max_size=5
)
WELL_FORMED = re.compile(r"\[(\[(0|[1-9]\d{0,2})(, (0|[1-9]\d{0,2})){3}\](, (?=\[))?)+\]")


def body(boxes: list[Box]) -> str:
    return render_boxes(boxes).removeprefix(DET).removesuffix(DET_END)


@given(some_boxes)
def test_what_is_rendered_is_allowed(boxes):
    state = BoxState(len(boxes) - 1).read(body(boxes))
    assert state is not None and state.is_end


@given(some_boxes)
def test_one_box_too_many_is_not(boxes):
    assert BoxState(len(boxes) - 1).read(body([*boxes, boxes[0]])) is None


@given(some_boxes, st.data())
def test_a_changed_character_is_allowed_only_where_it_is_still_a_box(boxes, data):
    text = body(boxes)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from(CHARACTERS + "x٣²\n")) + text[place + 1 :]
    state = BoxState(9).read(changed)
    (span,) = parse(f"<|ref|>x<|/ref|>{DET}{changed}{DET_END}")
    is_right = WELL_FORMED.fullmatch(changed) is not None and not span.problems
    assert (state is not None and state.is_end) is is_right


@pytest.mark.parametrize("seed", range(300))
def test_any_walk_can_be_ended(seed):
    source = random.Random(seed)
    state, text = BoxState(3), ""
    while not state.is_end:
        choices = [(c, found) for c in CHARACTERS if (found := state.next(c)) is not None]
        assert choices, f"nothing may follow {text}"
        character, state = source.choice(choices)
        text += character
        assert len(text) < 200
    assert WELL_FORMED.fullmatch(text)
    boxes = parse(f"<|ref|>x<|/ref|>{DET}{text}{DET_END}")[0]
    assert not boxes.problems and body(list(boxes.boxes)) == text


@pytest.mark.parametrize(
    ("digits", "largest"), [("0", 0), ("00", -1), ("07", -1), ("7", 799), ("70", 709), ("999", 999), ("1000", -1)]
)
def test_the_largest_number_that_begins_so(digits, largest):
    assert largest_value(digits) == largest


@pytest.mark.parametrize(
    ("before", "allowed"),
    [
        ("[[", "0123456789"), ("[[0", ","), ("[[9", "0123456789,"), ("[[999", ","), ("[[999, 5, ", "9"),
        ("[[998, 5, 99", "89"), ("[[100, 5, ", "123456789"), ("[[100, 5, 1", "0123456789"),
        ("[[100, 5, 10", "0123456789"), ("[[100, 5, 2", "0123456789"), ("[[15, 5, 1", "0123456789"),
        ("[[15, 5, 16", "0123456789,"),
        ("[[0, 0, 0", ","), ("[[0, 0, 0, 0", "]"), ("[[0, 0, 0, 0]", "],"), ("[[0, 0, 0, 0],", " "),
    ],
)  # fmt: skip
def test_what_may_come_next(before, allowed):
    state = BoxState(1).read(before)
    assert state is not None
    assert {c for c in CHARACTERS if state.next(c) is not None} == set(allowed)
