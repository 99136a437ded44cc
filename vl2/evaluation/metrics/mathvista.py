"""MathVista: take the answer out of a reply, bring it into the form of the gold one, compare texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from rapidfuzz.distance import Levenshtein

from vl2.evaluation.metrics.options import read_option
from vl2.evaluation.verdict import Dialect

LETTER = re.compile(r"\(([a-zA-Z])\)")
QUOTED = re.compile(r'The answer is "(.{0,200})"\.')  # bounded, or each opening of many is read to the end
NUMERIC = ("integer", "float")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")


@dataclass(frozen=True, kw_only=True)
class Form:
    """What an answer has to look like."""

    question_type: str  # multi_choice or free_form
    answer_type: str  # text, integer, float or list
    precision: float | None = None  # places of a float
    choices: Sequence[str] = ()


def extract(said: str, form: Form) -> str:
    """Return the answer within a reply by rules alone, "" when there is none."""
    reply = said.strip()
    is_choice = form.question_type == "multi_choice"
    if reply in form.choices or (not is_choice and form.answer_type in NUMERIC and normalise(reply, form) is not None):
        return reply
    quoted = QUOTED.search(reply)
    if quoted:
        return quoted.group(1)
    if is_choice:
        letter = read_option(reply, _lettered(form.choices))
        return letter if letter in _lettered(form.choices) else ""
    if form.answer_type == "list":
        return reply[reply.rfind("[") : reply.rfind("]") + 1]
    numbers = NUMBER.findall(reply)
    return numbers[-1].replace(",", "") if numbers else ""


def normalise(extraction: str, form: Form) -> str | None:
    """Return an extracted answer in the form of the gold one, None when it cannot be brought into it.

    Among choices whatever was said is the nearest of them, even nothing.
    """
    if form.question_type == "multi_choice":
        text = extraction.strip()
        letter = LETTER.search(text)
        text = letter.group(1).upper() if letter else text
        chosen = _lettered(form.choices).get(text)
        if chosen is not None or not form.choices:
            return chosen
        return min(form.choices, key=lambda choice: Levenshtein.distance(text, choice))
    try:
        if form.answer_type == "integer":
            return str(int(float(extraction)))
        if form.answer_type == "float":
            return str(round(float(extraction), int(form.precision or 0)))
    except (ValueError, OverflowError):
        return None
    return extraction


def is_right(extraction: str, gold: str, form: Form, dialect: Dialect = "canonical") -> bool:
    """Tell whether an extracted answer is the gold one, as the released script does; lmms lets outer space be."""
    if dialect == "vlmevalkit":
        return is_right_plainly(extraction, gold, form)
    answer = normalise(extraction, form)
    return answer is not None and (answer.strip() == gold.strip() if dialect == "lmms" else answer == gold)


def is_right_plainly(reply: str, gold: str, form: Form) -> bool:
    """Tell the same as vlmevalkit does: options by their letters, numbers unrounded, lists never."""
    if form.question_type == "multi_choice":
        letter = read_option(reply, _lettered(form.choices), "vlmevalkit")
        return letter == next((own for own, choice in _lettered(form.choices).items() if choice == gold), None)
    try:
        if form.answer_type == "integer":
            return int(reply) == int(gold)
        if form.answer_type == "float":
            return float(reply) == float(gold)
    except ValueError:
        return False
    return False


def _lettered(choices: Sequence[str]) -> dict[str, str]:
    return dict(zip(ascii_uppercase, choices, strict=False))
