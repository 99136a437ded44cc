"""Spelling: how far two texts differ, in characters."""

from __future__ import annotations

import unicodedata

import numpy as np

from vl2.corpus.characters import code_points

MOST_CHARACTERS = 4000  # of each that are compared: the work grows with their product


def error_rate(told: str, read: str) -> float:
    """Return the edits from one text to the other for each character of the first; spaces are all the same."""
    one, other = normal(told)[:MOST_CHARACTERS], normal(read)[:MOST_CHARACTERS]
    return edit_distance(one, other) / max(1, len(one))


def edit_distance(one: str, other: str) -> int:
    """Return the least number of insertions, deletions and replacements between two texts."""
    first, second = code_points(one), code_points(other)
    places = np.arange(len(second) + 1)
    row = places.copy()  # [characters of the second + 1]
    for number, point in enumerate(first, 1):
        best = np.minimum(row[1:] + 1, row[:-1] + (second != point))
        row = np.concatenate(([number], best))
        row = np.minimum.accumulate(row - places) + places  # insertions, from the left
    return int(row[-1])


def normal(text: str) -> str:
    """Return a text with one space wherever it has any, in the composed forms of Unicode."""
    return " ".join(unicodedata.normalize("NFKC", text).split())
