"""Relaxed accuracy: numbers within five per cent, other answers exactly (ChartQA)."""

from __future__ import annotations

from vl2.evaluation.verdict import Dialect

TOLERANCE = 0.05


def relaxed_accuracy(said: str, gold: str, dialect: Dialect = "canonical") -> float:
    """Return 1 or 0. A gold of zero, and whatever is no number, has to be equal, letter case aside."""
    said = said if dialect == "lmms" else said.strip()
    number, wanted = to_number(said), to_number(gold)
    if number is not None and wanted:
        return float(abs(number - wanted) / abs(wanted) <= TOLERANCE)  # false for nan and inf
    return float(said.lower() == gold.lower())


def to_number(text: str) -> float | None:
    """Return the number that the whole text is; a per cent sign divides it by a hundred."""
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
