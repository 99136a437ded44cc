"""CircularEval: a question counts when it is right in every rotation of its options (MMBench)."""

from __future__ import annotations

from collections.abc import Sequence

ROTATION = 1_000_000  # rotation k of a question has this many times k added to its index


def question_of(index: int) -> int:
    """Return the question that a rotation belongs to."""
    return index % ROTATION


def circular_hit(chosen: Sequence[str], golds: Sequence[str]) -> int:
    """Return 1 when every rotation was answered with its gold letter; one that cannot be read is wrong."""
    return int(len(chosen) == len(golds) and all(ours == gold for ours, gold in zip(chosen, golds, strict=True)))
