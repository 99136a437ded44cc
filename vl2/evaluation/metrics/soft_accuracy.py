"""Soft accuracy against ten annotators (VQA, TextVQA)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from vl2.evaluation.metrics.contractions import CONTRACTIONS
from vl2.evaluation.metrics.punctuation import OPEN_PERIOD, strip_punctuation
from vl2.evaluation.verdict import Dialect

ENOUGH = 3  # annotators that agree
SHORT = 256  # letters of a text that is worth remembering
ARTICLES = frozenset(("a", "an", "the"))
DIGITS = {"none": "0", **{word: str(n) for n, word in enumerate(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
)}}  # fmt: skip


def soft_accuracy(said: str, golds: Sequence[str], dialect: Dialect = "canonical") -> float:
    """Return the mean over left-out annotators of min(1, agreeing others / 3).

    lmms scores as the challenge server does: commas and question marks go first, `'s` becomes a word of its own and a
    period behind a digit goes too.
    """
    if not golds:
        return 0.0
    is_server = dialect == "lmms"
    ours = normalised(said, is_server)
    agrees = [normalised(gold, is_server) == ours for gold in golds]
    total = sum(agrees)
    return sum(min(1.0, (total - own) / ENOUGH) for own in agrees) / len(golds)


def normalised(text: str, is_server: bool) -> str:
    """Return an answer without case, articles and punctuation, small numbers as digits."""
    return _remembered(text, is_server) if len(text) <= SHORT else _normalised(text, is_server)


@lru_cache(maxsize=4096)  # annotators repeat each other
def _remembered(text: str, is_server: bool) -> str:
    return _normalised(text, is_server)


def _normalised(text: str, is_server: bool) -> str:
    if is_server:
        text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
        plain = strip_punctuation(text.replace("\n", " ").replace("\t", " ").strip(), OPEN_PERIOD)
    else:
        plain = strip_punctuation(text.replace("\n", " ").replace("\t", " ").strip())
    words = (DIGITS.get(word, word) for word in plain.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)
