"""The letter that an answer chooses, "" when it cannot be told; no harness's dice are thrown here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vl2.evaluation.metrics.marked_letter import MOST_READ, read_marked_letter
from vl2.evaluation.verdict import Dialect

NO_OPTION = "Z"  # the answer refuses
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
FAILED = "Failed to obtain answer via API"
MARKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
LAST_WORDS = 4  # where a letter has to stand to be the choice
MOST_LENGTH = 2  # times that of all options: in a longer answer their words prove nothing
DECLARED = re.compile(r"answer\s+is\s+\**([A-D])", re.IGNORECASE)  # "The answer is blue" is a B
# How a word may wear its letter; in this order (lmms's first step for MMBench).
WORN = (("", ""), ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ")."),
        (":", ""), (":", ","), (":", "."), (":", ")"), (":", ")."))  # fmt: skip
PREFETCH_LETTERS = "ABCDE"
QUANTIFIER_WORDS = 3  # in a longer answer a lone "A" may be an article


def read_option(said: str, options: Mapping[str, str], dialect: Dialect = "canonical") -> str:
    """Return the chosen letter of `options` (letter to text), "Z" for a refusal, "" when it cannot be told."""
    if dialect == "lmms":
        return read_marked_letter(said, options)
    if len(said) > MOST_READ:
        return ""
    if FAILED not in said:
        letter = _by_letter(said, options) or _declared(said, options)
        if letter:
            return letter
    return _by_text(said, options, is_bounded=True)


def prefetch_option(said: str, options: Mapping[str, str]) -> str:
    """Return the letter that lmms's MMBench reads before it asks a judge."""
    if len(said) > MOST_READ:
        return ""
    words = [] if FAILED in said else said.split()
    for before, behind in WORN:
        worn = [letter for letter in PREFETCH_LETTERS if f"{before}{letter}{behind}" in words]
        is_article = not before + behind and "A" in words and len(words) > QUANTIFIER_WORDS
        if len(worn) == 1 and not is_article:
            return worn[0]
    return _by_text(said, options, is_bounded=False)


def static_option(said: str, options: Mapping[str, str]) -> str:
    """Return the letter that lmms's MMBench reads where no judge is asked."""
    return prefetch_option(said, options) or read_marked_letter(said, sorted(options))


def _by_letter(said: str, options: Iterable[str]) -> str:
    """Return the one letter that stands as a word near the end."""
    if any(refusal in said for refusal in REFUSALS):
        return NO_OPTION
    words = said.translate(MARKS).split()
    letters = [letter for letter in options if letter in words]
    if len(letters) == 1 and words.index(letters[0]) >= len(words) - LAST_WORDS:
        return letters[0]
    return NO_OPTION if not letters and NO_OPTION in words else ""


def _declared(said: str, options: Iterable[str]) -> str:
    found = DECLARED.search(said)
    letter = found.group(1).upper() if found else ""
    return letter if letter in options else ""


def _by_text(said: str, options: Mapping[str, str], *, is_bounded: bool) -> str:
    """Return the letter of the one option whose text is part of the answer."""
    answer = said.lower()
    if is_bounded and len(answer) > MOST_LENGTH * sum(map(len, options.values())):
        return ""
    found = [letter for letter, text in options.items() if text.lower() in answer]
    return found[0] if len(found) == 1 else ""
