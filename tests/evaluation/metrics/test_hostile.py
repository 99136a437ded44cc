"""Whatever a model says is scored without an exception and in bounded time; short answers are scored fast."""

from __future__ import annotations

import os
import random
import time

import pytest

from vl2.evaluation.metrics.anls import anls
from vl2.evaluation.metrics.boxes import bracketed, first_box
from vl2.evaluation.metrics.marked_letter import read_marked_letter
from vl2.evaluation.metrics.mathvista import Form, extract, is_right, is_right_plainly
from vl2.evaluation.metrics.mmmu import match_open, read_choice
from vl2.evaluation.metrics.options import prefetch_option, read_option
from vl2.evaluation.metrics.relaxed_accuracy import relaxed_accuracy
from vl2.evaluation.metrics.soft_accuracy import soft_accuracy
from vl2.evaluation.metrics.substring import contains_gold
from vl2.evaluation.metrics.yes_no import read_yes_no

NUM_TEXTS = int(os.environ.get("VL2_HOSTILE_ANSWERS", "5000"))
OPTIONS = {"A": "cat", "B": "dog", "C": "bird", "D": "fish"}
PIECES = ("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "[[", "]]", "[", "]", "9" * 40, "-", ".", ",", " ", "1", "999",
          "(A)", "B.", "answer is", "Z", "\n", "%", "nan", "inf", "1e999", "\u0000", "é", "選", "{", "}")  # fmt: skip
FORMS = [Form(question_type="free_form", answer_type=kind, precision=1) for kind in ("integer", "float", "list")]
FORMS.append(Form(question_type="multi_choice", answer_type="text", choices=tuple(OPTIONS.values())))


def score_everything(text: str) -> None:
    for dialect in ("canonical", "vlmevalkit", "lmms", "official"):
        read_option(text, OPTIONS, dialect)
        read_choice(text, OPTIONS, dialect)
        read_yes_no(text, dialect)
        relaxed_accuracy(text, "5", dialect)
        soft_accuracy(text, ["5"] * 10, dialect)
        contains_gold(text, ["5"], is_formula=False, dialect=dialect)
    for dialect in ("canonical", "vlmevalkit", "lmms"):
        first_box(text, 640, 480, dialect)
    bracketed(text)
    prefetch_option(text, OPTIONS)
    read_marked_letter(text)
    anls(text, ["5"])
    match_open(text, ["5"])
    for form in FORMS:
        is_right(extract(text, form), "5", form)
        is_right_plainly(text, "5", form)


def random_texts(number: int):
    generator = random.Random(0)
    for _ in range(number):
        yield "".join(generator.choices(PIECES, k=generator.randint(0, 40)))


def test_random_answers():
    for text in random_texts(NUM_TEXTS):
        score_everything(text)


@pytest.mark.parametrize("text", ["9" * 1_000_000, "<|det|>[[" + "9, " * 300_000, "(" * 500_000, "A " * 500_000])
def test_an_endless_answer(text):
    began = time.perf_counter()
    first_box(text, 640, 480)
    first_box(text, 640, 480, "vlmevalkit")
    first_box(text, 640, 480, "lmms")
    read_option(text, OPTIONS)
    assert time.perf_counter() - began < 2, "linear in the text"


def test_short_answers_are_scored_fast():
    pairs = [(f"answer {n % 97}", f"answer {n % 89}") for n in range(20_000)]
    began = time.perf_counter()
    for said, gold in pairs:
        anls(said, [gold])
    assert len(pairs) / (time.perf_counter() - began) > 25_000, "half of what bench/scoring.py asks, for a busy machine"
    began = time.perf_counter()
    for said, gold in pairs:
        soft_accuracy(said, [gold] * 10)
    assert len(pairs) / (time.perf_counter() - began) > 10_000
