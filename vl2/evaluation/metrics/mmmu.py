"""MMMU: a letter among options, or an open answer with numbers in it. What cannot be read is not guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from vl2.evaluation.metrics.options import read_option
from vl2.evaluation.metrics.stated_letter import EDGE, LMMS_FORMS, OFFICIAL_FORMS, padded, stated_letter
from vl2.evaluation.verdict import Dialect

FEW_WORDS = 5  # in so short an answer the text of an option is not looked for
INDICATORS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
LINE = re.compile(r"\.\s(?=[A-Z])|\n")
NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)
ENDLESS = re.compile(r"(\d{64})\d+")  # the rest of so long a number is not read: its patterns start at every digit
OTHER = "Other Answers"  # the second option that vlmevalkit gives an open question
Value = str | float


def read_choice(said: str, options: Mapping[str, str], dialect: Dialect = "canonical") -> str:
    """Return the letter of `options` that was said last in the surest form, "" when there is none.

    vlmevalkit reads it as any other option. lmms wants no space before a letter, and looks for "X." too.
    """
    if dialect == "vlmevalkit":
        return read_option(said, options, dialect)
    letter = stated_letter(said, options, LMMS_FORMS if dialect == "lmms" else OFFICIAL_FORMS)
    if letter or len(padded(said).split()) <= FEW_WORDS:
        return letter
    lower = padded(said).lower()
    places = {letter: lower.rfind(option.lower()) for letter, option in options.items()}
    best = max(places, key=lambda letter: places[letter], default="")
    return best if best and places[best] >= 0 else ""


def match_open(said: str, golds: Sequence[str], dialect: Dialect = "canonical") -> bool:
    """Tell whether an open answer holds an accepted one: a number rounded to two places, or a text within its end.

    vlmevalkit reads it as a choice between the gold and other answers, so that "A" is right.
    """
    if dialect == "vlmevalkit":
        gold = golds[0] if len(golds) == 1 else str(list(golds))
        return read_option(said, {"A": gold, "B": OTHER}, dialect) == "A"
    wanted = {value for gold in golds for value in _values(gold)}
    texts = [value for value in wanted if isinstance(value, str)]
    return any(
        any(text in value for text in texts) if isinstance(value, str) else value in wanted for value in _said(said)
    )


def _said(said: str) -> Iterator[Value]:
    """Yield what an answer may mean: its key phrases, and the numbers in them."""
    for phrase in _key_phrases(ENDLESS.sub(r"\1", said).strip().strip(".").lower()):
        yield from _values(phrase)
        for pattern in NUMBERS:
            for number in pattern.findall(phrase):
                yield from _values(number)


def _key_phrases(text: str) -> list[str]:
    """Return what stands behind an indicator in each line, the shortest; the whole text when no line has one."""
    lines = LINE.split(text)
    found: list[str] = []
    for number, line in enumerate(lines, start=1):
        indicators = (*INDICATORS, "=") if number == len(lines) else INDICATORS
        ends = [line.split(indicator)[-1].strip() for indicator in indicators if indicator in line]
        shortest = ""
        for end in ends:
            # an empty end gives way to whatever comes next, as in the released script
            shortest = end if not shortest or len(end) < len(shortest) else shortest
        if shortest and shortest not in EDGE:
            found.append(shortest)
    return found or [text]


def _values(text: str) -> list[Value]:
    text = text.strip()
    number = _number(text)
    if number is not None:
        return [number]
    text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _number(text: str) -> float | None:
    try:
        return round(float(text.replace(",", "")), 2)
    except ValueError:
        return None
