"""Rewards: known values by hand, nothing to be had by tricks, and no answer that takes long to judge."""

from __future__ import annotations

import time

import pytest

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Message, Sample, TextPart
from vl2.processor.grounding import render
from vl2.train.tuning.rewards import Truth, answer_reward, format_reward, iou_reward, number_reward, truth_of
from vl2.train.tuning.rewards.iou import MOST_BOXES
from vl2.train.tuning.rewards.truth import LONGEST_ANSWER

LEFT, RIGHT = Box(0, 0, 100, 100), Box(200, 0, 300, 100)
HALF = Box(0, 0, 100, 50)  # of LEFT
SECONDS = 1.0  # of this process: the machine may be busy


def truth(*boxes: Box, label: str = "cup", text: str = "", accepted: tuple[str, ...] = ()) -> Truth:
    return Truth(text=text, accepted=(text, *accepted), boxes=tuple((label, box) for box in boxes))


@pytest.mark.parametrize(
    "said, there, expected",
    [
        ((LEFT,), (LEFT,), 1.0),
        ((HALF,), (LEFT,), 0.5),
        ((RIGHT,), (LEFT,), 0.0),
        ((RIGHT, LEFT), (LEFT, RIGHT), 1.0),  # in any order
        ((LEFT,), (LEFT, RIGHT), 0.5),  # one is missing
        ((LEFT, RIGHT), (LEFT,), 0.5),  # one too many
        ((LEFT, LEFT, LEFT, LEFT), (LEFT,), 0.25),  # saying it often earns less
        ((HALF, LEFT), (LEFT, HALF), 1.0),  # each is used once, the best first
        ((), (LEFT,), 0.0),
        ((LEFT,), (), 0.0),
        ((), (), 1.0),
    ],
)
def test_iou_of_matched_boxes(said, there, expected):
    answer = render("cup", said) if said else "There is no cup."
    assert iou_reward(answer, truth(*there)) == pytest.approx(expected)


def test_boxes_match_under_their_label_alone():
    both = Truth(text="", accepted=(), boxes=(("cup", LEFT), ("plate", RIGHT)))
    assert iou_reward(render("cup", [LEFT]) + render("plate", [RIGHT]), both) == 1.0
    assert iou_reward(render("plate", [LEFT]) + render("cup", [RIGHT]), both) == 0.0
    assert iou_reward(render(" CUP ", [LEFT]), truth(LEFT)) == 1.0
    assert iou_reward(render("anything", [LEFT]), truth(LEFT, label="")) == 1.0


def test_boxes_are_read_as_the_engine_reads_them():
    assert iou_reward("<|ref|>cup<|/ref|><|det|>[[0, 0, 100, 100", truth(LEFT)) == 1.0, "form is another reward"
    assert iou_reward("[[0, 0, 100, 100]]", truth(LEFT)) == 0.0, "no marks, no boxes"


@pytest.mark.parametrize(
    "answer, expected",
    [("Three.", 1), (" three ", 1), ("THREE!", 1), ("3", 1), ("Three cups", 0), ("", 0), ("three three", 0)],
)
def test_exact_answers(answer, expected):
    assert answer_reward(answer, truth(text="Three.", accepted=("3",))) == expected


@pytest.mark.parametrize(
    "answer, wanted, expected",
    [
        ("The value is 100.", "100", 1),
        ("100.9", "100", 1),
        ("102", "100", 0),
        ("Not 100 but 50", "100", 0),
        ("50, 100", "100", 1),  # what is said last counts
        ("1,234,567", "1234567", 1),
        ("-5", "5", 0),
        ("-5", "-5", 1),
        ("0.5", "0.5", 1),
        ("12 %", "12", 1),
        ("none", "5", 0),
        ("", "5", 0),
        ("yes", "Yes.", 1),  # no number there: words
        ("v2", "2", 0),  # part of a word
        ("9" * 400, "9", 0),
        ("nan", "5", 0),
        ("1e400", "5", 0),
    ],
)
def test_numbers(answer, wanted, expected):
    assert number_reward(answer, truth(text=wanted)) == expected


def test_a_tolerance_is_a_share():
    assert number_reward("105", truth(text="100"), tolerance=0.05) == 1
    assert number_reward("105.6", truth(text="100"), tolerance=0.05) == 0
    assert number_reward("100", truth(text="100"), tolerance=0.0) == 1


@pytest.mark.parametrize(
    "answer, expects_boxes, expected",
    [
        (render("cup", [LEFT]), True, 1),
        ("Here: " + render("cup", [LEFT]), True, 1),
        ("There is none.", False, 1),
        ("There is none.", True, 0),
        (render("cup", [LEFT]), False, 0),
        ("<|ref|>cup<|/ref|><|det|>[[0, 0, 100, 100]", True, 0),
        ("<|ref|>cup<|/ref|><|det|>[[100, 0, 0, 100]]<|/det|>", True, 0),
        ("<|ref|>cup<|/ref|>", True, 0),
    ],
)
def test_boxes_without_a_flaw(answer, expects_boxes, expected):
    assert format_reward(answer, truth(*[LEFT] * expects_boxes)) == expected


@pytest.mark.parametrize(
    "answer, pattern, expected",
    [
        ("<think>a</think>b", "<think>*</think>*", 1),
        ("  <think></think>\n", "<think>*</think>*", 1),
        ("b<think>a</think>", "<think>*</think>*", 0),
        ("<think>a", "<think>*</think>*", 0),
        ("yes", "yes", 1),
        ("yes!", "yes", 0),
        ("aba", "ab*ba", 0),  # pieces do not share letters
        ("abba", "ab*ba", 1),
        ("a1b2c", "a*b*c", 1),
        ("a2c", "a*b*c", 0),
        ("anything", "*", 1),
        ("aaa", "(a*)+", 0),  # a star is anything, the rest is itself
        ("(aaa)+", "(a*)+", 1),
    ],
)
def test_patterns(answer, pattern, expected):
    assert format_reward(answer, truth(), pattern) == expected


HOSTILE = [
    "<|ref|>" * 9000,
    "<|det|>" + "[" * 60000,
    render("cup", [LEFT] * 3000),
    render("cup", [LEFT]) * 1200,
    "<|det|>[[" + "1," * 30000,
    "9" * 65000,
    "1," * 32000,
    "1,111" * 13000,
    "-+" * 32000,
    "ab" * 32000,
    "a" * (LONGEST_ANSWER + 1),
    "<think>" * 9000,
    "\0" * 60000,
    "𝟗" * 30000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_no_answer_takes_long_or_earns_by_length(number):
    answer = HOSTILE[number]
    there = truth(*[LEFT] * 4, text="5")
    began = time.process_time()
    earned = [
        iou_reward(answer, there), answer_reward(answer, there), number_reward(answer, there),
        format_reward(answer, there), format_reward(answer, there, "ab*" * 50 + "c"),
    ]  # fmt: skip
    assert time.process_time() - began < SECONDS
    assert all(0 <= one <= 1 for one in earned) and earned[0] < 0.1


def test_too_many_boxes_earn_nothing():
    many = [LEFT] * (MOST_BOXES + 1)
    assert iou_reward(render("cup", many), truth(LEFT)) == 0.0
    assert iou_reward(render("cup", many), truth(*many)) == 1.0, "unless there are as many"


def test_the_truth_is_the_last_answer():
    sample = Sample(
        "x",
        (
            Message("user", (TextPart("Where?"),)),
            Message("assistant", (TextPart("Here: "), BoxesPart("cup", (LEFT, RIGHT)))),
        ),
        answers=("There",),
    )
    found = truth_of(sample)
    assert found.text == "Here: " + render("cup", [LEFT, RIGHT]) and found.accepted == (found.text, "There")
    assert found.boxes == (("cup", LEFT), ("cup", RIGHT))
