"""ANLS: average normalised Levenshtein similarity (DocVQA, InfographicVQA)."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from vl2.evaluation.verdict import Dialect

THRESHOLD = 0.5  # of the similarity; what is less alike is another answer


def anls(said: str, golds: Sequence[str], dialect: Dialect = "canonical") -> float:
    """Return the similarity to the nearest gold in 0..1, 0 below the threshold.

    Case and white space do not count, but the length that a distance is divided by is that of the text as it was said.
    official is the definition of the challenge: a similarity of exactly one half is none, and lengths are those of the
    compared texts.
    """
    return max((_similarity(said, gold, dialect == "official") for gold in golds), default=0.0)


def _similarity(said: str, gold: str, is_strict: bool) -> float:
    ours, theirs = " ".join(said.lower().split()), " ".join(gold.lower().split())
    lengths = (ours, theirs) if is_strict else (said, gold)
    length = max(len(text.upper()) for text in lengths)  # upper-cased, as all count: a few letters grow by it
    if length == 0:
        return 1.0
    # a distance beyond the cut-off comes back as one more, and is below the threshold either way
    similarity = 1 - Levenshtein.distance(ours, theirs, score_cutoff=length // 2) / length
    is_other = similarity <= THRESHOLD if is_strict else similarity < THRESHOLD
    return 0.0 if is_other else similarity
