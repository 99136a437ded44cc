"""Equal answers, as lmms compares them (AI2D, MMStar, RealWorldQA)."""

from __future__ import annotations

import re
import string

from vl2.evaluation.metrics.marked_letter import read_marked_letter

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LETTER_PERIOD = re.compile(r"\s*([A-Z])\.")


def exact(said: str, gold: str) -> float:
    """Return 1 when both are equal without case, outer space and a last full stop."""
    return float(said.lower().strip().rstrip(".") == gold.lower().strip())


def exact_or_letter(said: str, gold: str) -> float:
    """Return 1 when the letter that was marked is the gold one; where the gold is no letter, `exact` (RealWorldQA)."""
    letter = gold.strip().upper()
    if letter in ("A", "B", "C", "D"):
        return float(read_marked_letter(said, "ABCD") == letter)
    return exact(said, gold)


def exact_letter(said: str, gold: str) -> float:
    """Return 1 when the marked letter is the gold one (MMStar)."""
    return float(read_marked_letter(said, "ABCD") == gold.strip().upper())


def exact_filtered(said: str, gold: str) -> float:
    """Return 1 when "X." at the start or else the whole answer is the gold, without case and punctuation (AI2D)."""
    found = _LETTER_PERIOD.match(said)
    return float(_bare(found.group(1) if found else said) == _bare(gold))


def _bare(text: str) -> str:
    return text.lower().translate(_NO_PUNCTUATION)
