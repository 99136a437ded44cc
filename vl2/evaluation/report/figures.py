"""The report's figures as SVG: scores against activated parameters, scores under degradation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from vl2.evaluation.report.rows import ScoreRow, parameters
from vl2.evaluation.results import Results

WIDTH, HEIGHT = 680, 380
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 14, 40
MARGIN = 0.08  # of the range, beyond the outermost points
TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # billions
NUM_LINES = 5
LEVELS = 5
FEWEST_POINTS = 3
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4")


class Scale:
    """A range of values on a stretch of pixels."""

    def __init__(self, values: Sequence[float], begin: float, end: float, *, is_log: bool = False) -> None:
        self.is_log, self.begin, self.end = is_log, begin, end
        low, high = (self._place(value) for value in (min(values), max(values)))
        spread = (high - low) or abs(high) or 1.0
        self.low, self.high = low - MARGIN * spread, high + MARGIN * spread

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.begin + (self._place(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def within(self, value: float) -> bool:
        """Tell whether a value is in the range."""
        return self.low <= self._place(value) <= self.high

    def ticks(self) -> list[float]:
        """Return round values across the range."""
        step = (self.high - self.low) / NUM_LINES
        size = 10 ** math.floor(math.log10(step))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= step)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]

    def _place(self, value: float) -> float:
        return math.log10(max(value, 1e-6)) if self.is_log else value


def scatter(rows: Sequence[ScoreRow], title: str) -> str:
    """Return scores against activated parameters, logarithmic; "" when there are too few to compare."""
    known = [row for row in rows if row.activated]
    if len(known) < FEWEST_POINTS:
        return ""
    x = Scale([row.activated or 0 for row in known], LEFT, WIDTH - RIGHT, is_log=True)
    reach = [value for row in known for value in (row.low, row.high, row.score) if value is not None]
    y = Scale(reach, HEIGHT - BOTTOM, TOP)
    marks = "".join(_mark(row, x, y) for row in sorted(known, key=lambda row: row.is_family))
    labels = [(tick, parameters(tick)) for tick in TICKS if x.within(tick)]
    return _figure(f"{title}: score against activated parameters", [*_axes(x, y, labels), marks])


def degradation_curves(runs: Sequence[Results], title: str) -> str:
    """Return the score of each kind of degradation over its levels; "" when nothing was degraded."""
    plain = [run.summary.score for run in runs if run.summary.degradation is None]
    kinds: dict[str, dict[int, float]] = {}
    for run in runs:
        worse = run.summary.degradation
        if worse is not None:
            kinds.setdefault(worse.kind, {0: plain[0]} if plain else {})[worse.level] = run.summary.score
    if not kinds:
        return ""
    x = Scale([0, LEVELS], LEFT, WIDTH - RIGHT)
    y = Scale([score for scores in kinds.values() for score in scores.values()], HEIGHT - BOTTOM, TOP)
    lines = [_line(kind, scores, x, y, DASHES[n % len(DASHES)]) for n, (kind, scores) in enumerate(kinds.items())]
    labels = [(level, str(level)) for level in range(LEVELS + 1)]
    return _figure(f"{title}: score under degradation, by level", [*_axes(x, y, labels), *lines])


def _axes(x: Scale, y: Scale, labels: Sequence[tuple[float, str]]) -> Iterator[str]:
    for tick in y.ticks():
        at = y(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for tick, label in labels:
        yield f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{label}</text>'


def _mark(row: ScoreRow, x: Scale, y: Scale) -> str:
    left, top = x(row.activated or 0), y(row.score)
    kind = "run" if row.is_run else "family" if row.is_family else "other"
    whisker = ""
    if row.low is not None and row.high is not None:
        whisker = f'<line class="{kind}" x1="{left:.1f}" x2="{left:.1f}" y1="{y(row.low):.1f}" y2="{y(row.high):.1f}"/>'
    name = escape(row.model)
    at_end = left > WIDTH * 0.8
    anchor, offset = ("end", -9) if at_end else ("start", 9)
    label = f'<text class="{kind}" x="{left + offset:.1f}" y="{top + 4:.1f}" text-anchor="{anchor}">{name}</text>'
    shown = label if row.is_family else ""
    tip = f"<title>{name}: {row.score:g}, {parameters(row.activated)} activated</title>"
    return f'{whisker}<circle class="{kind}" cx="{left:.1f}" cy="{top:.1f}" r="5">{tip}</circle>{shown}'


def _line(kind: str, scores: dict[int, float], x: Scale, y: Scale, dash: str) -> str:
    points = [(x(level), y(score)) for level, score in sorted(scores.items())]
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
    left, top = points[-1]
    return (
        f'<polyline class="curve" points="{path}" stroke-dasharray="{dash}"/>'
        f'<text class="family" x="{left:.1f}" y="{top - 8:.1f}" text-anchor="end">{escape(kind)}</text>'
    )


def _figure(title: str, pieces: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(pieces)}</svg>'
    )
