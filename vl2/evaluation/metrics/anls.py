"""ANLS: average normalised Levenshtein similarity (DocVQA, InfographicVQA)."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

THRESHOLD = 0.5  # of the similarity; what is less alike is another answer


def anls(said: str, golds: Sequence[str], *, is_strict: bool = False) -> float:
    """Return the similarity to the nearest gold in 0..1, 0 below the threshold.

    Case and white space do not count, but the length that a distance is divided by is that of the text as it was said.
    `is_strict` is the definition of the challenge: a similarity of exactly one half is none, and lengths are those of
    the compared texts.
    """
    return max((_similarity(said, gold, is_strict) for gold in golds), default=0.0)


def _similarity(said: str, gold: str, is_strict: bool) -> float:
    ours, theirs = " ".join(said.lower().split()), " ".join(gold.lower().split())
    # upper-cased, as the harnesses count: a few letters grow by it
    length = max(len(ours), len(theirs)) if is_strict else max(len(said.upper()), len(gold.upper()))
    if length == 0:
        return 1.0
    similarity = 1 - Levenshtein.distance(ours, theirs) / length
    is_other = similarity <= THRESHOLD if is_strict else similarity < THRESHOLD
    return 0.0 if is_other else similarity
