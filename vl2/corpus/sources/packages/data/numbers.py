"""Data numbers: how values of a table are rounded and scaled, and which round limits bins have."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from statistics import median


def digits_for(values: Sequence[float]) -> int:
    """Return how many digits after the point values are told with: about three that count."""
    largest = max(map(abs, values))
    if all(value == round(value) for value in values):
        return 0
    return 0 if largest >= 200 else 1 if largest >= 10 else 2


def rounded(values: Sequence[float], digits: int) -> tuple[float, ...]:
    """Return values as they are drawn and printed; no zero is negative."""
    return tuple(round(value, digits) + 0.0 for value in values)


def pick_scale(largest: float) -> float:
    """Return what values are divided by so that they stay short."""
    return 1e9 if largest >= 2e9 else 1e6 if largest >= 2e6 else 1.0


def round_edges(cells: Sequence[float], wanted: int) -> list[float]:
    """Return round limits of bins that hold all cells; none where one far cell would leave most bins empty."""
    low, high = min(cells), max(cells)
    if high <= low or median(cells) - low < (high - low) / 20:
        return []
    step = _round_step((high - low) / wanted)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(place * step, 6) for place in range(first, last + 1)]


def _round_step(width: float) -> float:
    size = 10.0 ** len(str(int(width))) / 10 if width >= 1 else 0.1
    while size > width:
        size /= 10
    return next(size * times for times in (1, 2, 5, 10) if size * times >= width)
