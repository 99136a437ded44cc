"""Chart ticks: round values along an axis, and which names fit along one, straight or turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, log10, radians, sin

from vl2.corpus.drawing.chart.data import Chart
from vl2.corpus.drawing.chart.faces import widest, width_of, wrapped
from vl2.corpus.drawing.chart.look import Look

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
TURNED = 45  # degrees
_GAP = 6.0  # pixels between names


@dataclass(frozen=True)
class Ticks:
    """Round values, the range that they stand in, and how they are written."""

    values: tuple[float, ...]
    low: float
    high: float
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """The names along an axis: which are written, as what, how far they are turned, and how much room they take."""

    places: tuple[int, ...]
    labels: tuple[str, ...]
    angle: int
    depth: float  # pixels below the axis


def value_ticks(values: Sequence[float], *, from_zero: bool, wanted: int, room: float) -> Ticks:
    """Return ticks for values; `room` is left free above the highest, as a share of the range."""
    low, high = min(values), max(values)
    if from_zero or (low >= 0 and low < 0.35 * high):
        low, high = min(low, 0.0), max(high, 0.0)
    span = (high - low) or abs(high) or 1.0
    step = _round_step(span / wanted)
    first = floor(low / step + 1e-9)
    last = max(first + 1, ceil(high / step - 1e-9))  # also where all values are one
    if high + room * span > last * step and (last * step - high) < room * span * 0.5:
        last += 1
    digits = max(0, -floor(log10(step) + 1e-9) + (1 if _has_half(step) else 0))
    ticks = tuple(round(place * step, 10) for place in range(first, last + 1))
    return Ticks(ticks, ticks[0], ticks[-1], tuple(f"{value + 0.0:,.{digits}f}" for value in ticks))


def _round_step(width: float) -> float:
    size = 10.0 ** floor(log10(width))
    return next(size * step for step in STEPS if size * step >= width * (1 - 1e-9))


def _has_half(step: float) -> bool:
    return abs(step / 10.0 ** floor(log10(step) + 1e-9) - 2.5) < 1e-6


def fit_names(chart: Chart, look: Look, slot: float, left: float) -> Names:
    """Return how names stand below an axis, `slot` pixels from one to the next, `left` pixels free on the left.

    Moments that do not fit are left out, every second or more; other names are wrapped or turned.
    """
    every = tuple(range(len(chart.names)))
    if not every or widest(chart.names, look.face, look.size) + _GAP <= slot:
        return Names(every, chart.names, 0, look.size * 1.5)
    if chart.is_time:
        step = ceil((widest(chart.names, look.face, look.size) + 3 * _GAP) / slot)
        places = every[::step]
        return Names(places, tuple(chart.names[place] for place in places), 0, look.size * 1.5)
    lines = [wrapped(name, slot - _GAP, look.face, look.size) for name in chart.names]
    fits = all(width_of(line, look.face, look.size) + _GAP <= slot for name in lines for line in name)
    if fits and max(map(len, lines)) <= 3:
        depth = look.size * (1.25 * max(map(len, lines)) + 0.5)
        return Names(every, tuple("\n".join(name) for name in lines), 0, depth)
    return _turned(chart, look, slot, left)


def _turned(chart: Chart, look: Look, slot: float, left: float) -> Names:
    every, longest = tuple(range(len(chart.names))), widest(chart.names, look.face, look.size)
    reach = width_of(chart.names[0], look.face, look.size) * cos(radians(TURNED)) - slot / 2
    if slot >= look.size * 1.7 and reach < left - 8:
        return Names(every, chart.names, TURNED, (longest + look.size) * sin(radians(TURNED)) + look.size * 0.8)
    return Names(every, chart.names, 90, longest + look.size * 0.8)
