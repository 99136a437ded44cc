"""A chart as SVG. Names from the log are text in it, never markup."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from vl2.train.watch.report.curves import Chart, Curve, Point

LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 24
NARROW, WIDE = (360, 190), (1120, 330)
NUM_LINES, LABEL_EVERY = 5, 75  # pixels between two labels of steps
MOST_POINTS = 360  # of a curve; of more, each bin's lowest and highest
HIGH_SHARE, FAR = 0.98, 2.0  # values beyond the 98th percentile by twice its height are drawn at the edge
LEAST_SPREAD = 1e-9  # of the largest value: less is drawn as one value
PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A range of values on a stretch of pixels."""

    low: float
    high: float
    begin: float
    end: float

    def __str__(self) -> str:
        return f"{self.low:.9g} {self.high:.9g} {self.begin:g} {self.end:g}"  # as script.js reads it

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; one that is out of range is at the edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self, most: int = NUM_LINES, least_step: float = 0.0) -> list[float]:
        """Return round values across the range, at least a step apart."""
        least = (self.high - self.low) / most
        size = 10.0 ** math.floor(math.log10(least))
        step = max(least_step, next(size * factor for factor in (1, 2, 5, 10) if size * factor >= least * (1 - 1e-9)))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def draw(chart: Chart) -> str:
    """Return the SVG of a chart; a wide one comes twice, for wide and narrow windows, of which CSS shows one."""
    if not chart.is_wide:
        return _draw(chart, *NARROW, "")
    return _draw(chart, *WIDE, "roomy") + _draw(chart, *NARROW, "tight")


def legend(chart: Chart) -> str:
    """Return the names of a chart's curves in their colours, and what its marks are."""
    named = [f'<li class="c{curve.hue} {curve.look}">{escape(curve.name)}</li>' for curve in chart.curves if curve.name]
    if chart.marks:
        named.append('<li class="mark">step left out</li>')
    return f'<ul class="legend">{"".join(named)}</ul>' if named else ""


def short(value: float) -> str:
    """Return a number in few letters, such as 12.5k or 2e-05."""
    for size, prefix in PREFIXES:
        if abs(value) >= size:
            size = min(size, 1e3) if prefix == "k" else size
            return f"{value / size:.4g}{prefix}"
    return f"{value:.4g}"


def step_scale(chart: Chart, width: int) -> Scale:
    """Return the scale of steps across a chart."""
    ends = [curve.points[place][0] for curve in chart.curves if curve.points for place in (0, -1)]
    low, high = min((*ends, *chart.marks)), max((*ends, *chart.marks))
    return Scale(low=low, high=high if high > low else low + 1, begin=LEFT, end=width - RIGHT)


def value_scale(chart: Chart, height: int) -> Scale:
    """Return the scale of values up a chart: few that lie far out do not flatten the rest."""
    values = sorted(value for curve in chart.curves for _, value in curve.points)
    low, high = values[0], values[-1]
    usual = values[min(len(values) - 1, int(HIGH_SHARE * len(values)))]
    reach = usual - low
    if reach > 0 and high - low > (1 + FAR) * reach:
        high = usual + reach / 2
    if chart.is_from_zero:
        low, high = min(0.0, low), max(0.0, high)
    largest = max(abs(low), abs(high))
    if high - low <= LEAST_SPREAD * largest:
        low, high = low - (largest or 1) / 2, high + (largest or 1) / 2
    margin = 0.05 * (high - low)
    return Scale(
        low=low if chart.is_from_zero and low == 0 else low - margin, high=high + margin, begin=height - BOTTOM, end=TOP
    )


def axes(x: Scale, y: Scale, width: int, height: int) -> Iterator[str]:
    """Yield grid lines and labels."""
    for tick in y.ticks():
        at = y(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{short(tick)}</text>'
    for tick in x.ticks(max(2, (width - LEFT - RIGHT) // LABEL_EVERY), 1.0):
        at = min(max(x(tick), LEFT + 8), width - RIGHT - 12)
        yield f'<text class="tick" x="{at:.1f}" y="{height - 7}" text-anchor="middle">{short(tick)}</text>'


def figure(title: str, kind: str, pieces: Iterable[str], width: int, height: int, data: str = "") -> str:
    """Return the SVG of pieces."""
    shown = f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}"{data}>'
    return f"{shown}{''.join(pieces)}</svg>"


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> Sequence[Point]:
    """Return few enough points to draw, with every bin's lowest and highest in their order."""
    if len(points) <= most:
        return points
    size = math.ceil(2 * len(points) / most)
    found: list[Point] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        found += sorted(ends)
    return found


def _draw(chart: Chart, width: int, height: int, kind: str) -> str:
    x, y = step_scale(chart, width), value_scale(chart, height)
    marks = (
        f'<path class="mark" d="M{x(step):.1f} {TOP}V{height - BOTTOM}"><title>step {step:.0f} left out</title></path>'
        for step in chart.marks
    )
    curves = (_curve(curve, x, y) for curve in chart.curves if curve.points)
    pointer = f'<line class="pointer" x1="-1" x2="-1" y1="{TOP}" y2="{height - BOTTOM}"/>'
    pieces = [*axes(x, y, width, height), *marks, *curves, pointer]
    data = f' data-steps="{x}" data-values="{y}"'
    return figure(f"{chart.title} over steps", kind, pieces, width, height, data)


def _curve(curve: Curve, x: Scale, y: Scale) -> str:
    points = [(x(step), y(value)) for step, value in thinned(curve.points)]
    shown = points if curve.look == "dots" or len(points) == 1 else []
    dots = "".join(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3"/>' for left, top in shown)
    if curve.look == "stairs":
        points = [corner for before, after in _pairs(points) for corner in (before, (after[0], before[1]))] + points[
            -1:
        ]
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
    return (
        f'<g class="c{curve.hue} {curve.look}" data-name="{escape(curve.name)}"><polyline points="{path}"/>{dots}</g>'
    )


def _pairs(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    return zip(points, points[1:], strict=False)
