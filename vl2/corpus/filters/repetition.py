"""Repetition: text that says the same again, as a model does that has lost its way."""

from __future__ import annotations

from collections import Counter

import numpy as np

from vl2.corpus.characters import code_points
from vl2.corpus.filters.tokens import tokens_of

GRAM = 5  # tokens: shorter ones recur in honest text, and in lists
LOOK = 4  # characters that have to recur for a loop to be looked for
MOST_PERIODS = 6  # distances that are tried, the most frequent first
LEAST_LINE = 4  # letters and digits of a line: `yes` may well stand in a column again and again
LEAST_COPIES, LEAST_LENGTH = 3, 12  # of a loop; `...` and `哈哈哈` are none


def repetition(text: str) -> dict[str, float]:
    """Return shares of the text: in lines that stood before, in runs of words that stood before, in one loop."""
    return {"lines": repeated_lines(text), "words": repeated_words(text), "loop": longest_loop(text)}


def repeated_lines(text: str) -> float:
    """Return the share of characters in lines that stood before; rules, blank lines and short entries do not count."""
    lines = [line for line in map(str.strip, text.splitlines()) if sum(map(str.isalnum, line)) >= LEAST_LINE]
    total = sum(map(len, lines))
    if not total:
        return 0.0
    first = sum(map(len, dict.fromkeys(lines)))
    return 1 - first / total


def repeated_words(text: str) -> float:
    """Return the share of tokens within five in a row that stood before."""
    tokens = tokens_of(text)
    grams = [tuple(tokens[at : at + GRAM]) for at in range(len(tokens) - GRAM + 1)]
    repeated = {gram for gram, number in Counter(grams).items() if number > 1}
    if not repeated:
        return 0.0
    seen: set[tuple[str, ...]] = set()
    covered = np.zeros(len(tokens), bool)
    for at, gram in enumerate(grams):
        if gram in seen:
            covered[at : at + GRAM] = True
        elif gram in repeated:
            seen.add(gram)
    return float(covered.mean())


def longest_loop(text: str) -> float:
    """Return the share of characters in the longest stretch that is one piece again and again, three times or more."""
    points = code_points("".join(text.split()))  # [characters]
    if len(points) < LEAST_LENGTH:
        return 0.0
    longest = max((_loop_length(points, period) for period in _periods(points)), default=0)
    return longest / len(points)


def _periods(points: np.ndarray) -> list[int]:
    """Return the most frequent distances between a few characters and their next occurrence."""
    windows = np.lib.stride_tricks.sliding_window_view(points.astype(np.uint64), LOOK)  # [places, LOOK]
    keys = windows @ np.array([1, 1 << 21, 1 << 42, 0x9E3779B97F4A7C15], np.uint64)  # [places]
    order = np.argsort(keys, kind="stable")
    distances = np.diff(order)[keys[order[1:]] == keys[order[:-1]]]
    if not len(distances):
        return []
    counts = np.bincount(distances)
    return [int(period) for period in np.argsort(-counts, kind="stable")[:MOST_PERIODS] if counts[period]]


def _loop_length(points: np.ndarray, period: int) -> int:
    """Return the length of the longest stretch with this period, 0 when it has too few copies."""
    differs = np.flatnonzero(points[period:] != points[:-period])
    ends = np.concatenate([[-1], differs, [len(points) - period]])
    length = int(np.diff(ends).max()) - 1 + period
    return length if length >= max(LEAST_LENGTH, LEAST_COPIES * period) else 0
