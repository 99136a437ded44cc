"""Agreement: whether an answer says what the known short answer says: the same words, the same number, or nearly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher

NEAR = 0.8  # similarity of spellings that counts as the same, for what OCR read
LONGEST_NEAR = 120  # characters of what is compared by spelling
TOLERANCE = 1e-4  # of numbers, relative: what rounding leaves
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?!\w)")
_LAST_LINE = re.compile(r"^\W{0,4}(?:final\s+)?(?:answer|答案|最终答案)\W{0,4}[:：]\s*(?P<said>.+?)\s*$", re.IGNORECASE)
_WORDS = {"yes": "yes", "true": "yes", "是": "yes", "对": "yes", "no": "no", "false": "no", "否": "no", "不是": "no"}


def split_answer(said: str) -> tuple[str, str] | None:
    """Return what leads to an answer and the answer, of a reply whose last line says `Answer: ..`; None of others."""
    before, _, last = said.rstrip().rpartition("\n")
    found = _LAST_LINE.match(last.strip())
    if found is None or not found["said"].strip("*. "):
        return None
    return before.strip(), found["said"].strip("* ").removesuffix(".").strip()


def agrees(said: str, accepted: Sequence[str]) -> bool:
    """Tell whether an answer is one of the accepted ones."""
    return any(_is_same(said, one) for one in accepted if one.strip())


def _is_same(said: str, gold: str) -> bool:
    one, other = _normal(said), _normal(gold)
    if one == other or _WORDS.get(one, one) == _WORDS.get(other, other):
        return True
    numbers = _NUMBER.findall(gold)
    if numbers and _NUMBER.fullmatch(gold.strip(" $€£¥%。.")):
        told = _NUMBER.findall(said)
        return len(told) == 1 and _are_close(_value(told[0]), _value(numbers[0]))
    if other and re.search(rf"(?<!\w){re.escape(other)}(?!\w)", one) and not _denies(one, other):
        return True
    if _NUMBER.findall(said) != numbers or max(len(one), len(other)) > LONGEST_NEAR or len(other) < 5:
        return False
    return SequenceMatcher(None, one, other).ratio() >= NEAR


def _denies(said: str, gold: str) -> bool:
    return re.search(rf"\b(?:not|no|isn't|never|without)\s+(?:a |an |the )?{re.escape(gold)}", said) is not None


def _normal(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"\b(?:a|an|the)\b", " ", text)
    return " ".join(re.sub(r"[^\w.%$'-]+", " ", text).strip(" .'").split())


def _value(number: str) -> float:
    return float(number.replace(",", "").rstrip("."))


def _are_close(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one), abs(other))
