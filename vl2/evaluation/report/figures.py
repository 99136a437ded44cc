"""The report's figures as SVG: scores against activated parameters, scores under degradation, strips in tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from vl2.evaluation.report.labels import Labels
from vl2.evaluation.report.rows import ScoreRow, Series, parameters

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 48
PANEL_WIDTH, PANEL_HEIGHT = 240, 170
MARGIN = 0.08  # of the range, beyond the outermost points
TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # billions
NUM_LINES = 5
LEVELS = 5
FEWEST_POINTS = 3
STRIP_WIDTH, STRIP_HEIGHT = 150, 14
NUM_COLOURS = 4  # of curves, in style.css


class Scale:
    """A range of values on a stretch of pixels."""

    def __init__(
        self, values: Sequence[float], begin: float, end: float, *, is_log: bool = False, margin: float = MARGIN
    ) -> None:
        self.is_log, self.begin, self.end = is_log, begin, end
        low, high = (self._place(value) for value in (min(values), max(values)))
        spread = (high - low) or abs(high) or 1.0
        self.low, self.high = low - margin * spread, high + margin * spread

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
    known = sorted((row for row in rows if row.activated), key=lambda row: (row.is_run, row.is_family))
    if len(known) < FEWEST_POINTS:
        return ""
    x = Scale([row.activated or 0 for row in known], LEFT, WIDTH - RIGHT, is_log=True)
    y = Scale(_reach(known), HEIGHT - BOTTOM, TOP)
    labels = Labels([(x(row.activated or 0), y(row.score)) for row in known], WIDTH, HEIGHT - BOTTOM)
    names = [_name(row, x, y, labels) for row in reversed(known)]  # the important ones find room first
    ticks = [(tick, parameters(tick)) for tick in TICKS if x.within(tick)]
    about = f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">activated parameters</text>'
    pieces = [*_axes(x, y, ticks), about, *(_point(row, x, y) for row in known), *names]
    return _figure(f"{title}: score against activated parameters", pieces, WIDTH, HEIGHT)


def degradation_panels(series: Sequence[Series], title: str) -> Iterator[str]:
    """Yield a figure for each kind of degradation: the score over its levels, a curve for each model."""
    models = list(dict.fromkeys(one.model for one in series))
    scores = [value for one in series for run in one.summaries.values() for value in (run.low, run.high, run.score)]
    for kind in dict.fromkeys(one.kind for one in series):
        x = Scale([0, LEVELS], 34, PANEL_WIDTH - 8, margin=0.04)
        y = Scale(scores, PANEL_HEIGHT - 26, 26)
        axes = _axes(x, y, [(level, str(level)) for level in range(LEVELS + 1)], PANEL_HEIGHT - 8)
        curves = [_curve(one, x, y, models.index(one.model) % NUM_COLOURS) for one in series if one.kind == kind]
        name = (
            f'<text class="name" x="{PANEL_WIDTH - 8}" y="14" text-anchor="end">{escape(kind.replace("_", " "))}</text>'
        )
        yield _figure(f"{title}: score under {kind}, by level", [*axes, name, *curves], PANEL_WIDTH, PANEL_HEIGHT)


def strip(row: ScoreRow, scale: Scale) -> str:
    """Return a row's score with its interval on the scale of its table."""
    middle, at = STRIP_HEIGHT / 2, scale(row.score)
    whisker = ""
    if row.low is not None and row.high is not None:
        begin, end = scale(row.low), scale(row.high)
        whisker = f'<line class="{row.kind}" x1="{begin:.1f}" x2="{end:.1f}" y1="{middle:g}" y2="{middle:g}"/>'
    dot = f'<circle class="{row.kind}" cx="{at:.1f}" cy="{middle:g}" r="3.5"/>'
    rail = f'<line class="grid" x1="0" x2="{STRIP_WIDTH}" y1="{middle:g}" y2="{middle:g}"/>'
    return _strip(rail + whisker + dot)


def strip_scale(rows: Sequence[ScoreRow]) -> Scale:
    """Return the scale of the strips of a table."""
    return Scale(_reach(rows), 5, STRIP_WIDTH - 5, margin=0.02)


def bar(score: float, low: float, high: float, full: float) -> str:
    """Return a bar from 0 to the score, of a width that stands for `full`, with its interval."""
    at, begin, end = (STRIP_WIDTH * min(1.0, max(0.0, value / full)) for value in (score, low, high))
    middle = STRIP_HEIGHT / 2
    return _strip(
        f'<rect class="rail" width="{STRIP_WIDTH}" height="{STRIP_HEIGHT}" rx="2"/>'
        f'<rect class="bar" width="{at:.1f}" height="{STRIP_HEIGHT}" rx="2"/>'
        f'<line class="whisker" x1="{begin:.1f}" x2="{end:.1f}" y1="{middle:g}" y2="{middle:g}"/>'
    )


def _reach(rows: Sequence[ScoreRow]) -> list[float]:
    return [value for row in rows for value in (row.low, row.high, row.score) if value is not None]


def _axes(
    x: Scale, y: Scale, labels: Sequence[tuple[float, str]], labels_at: float = HEIGHT - BOTTOM + 18
) -> Iterator[str]:
    for tick in y.ticks():
        at = y(tick)
        yield f'<line class="grid" x1="{x.begin}" x2="{x.end}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="tick" x="{x.begin - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for tick, label in labels:
        yield f'<text class="tick" x="{x(tick):.1f}" y="{labels_at:g}" text-anchor="middle">{label}</text>'


def _point(row: ScoreRow, x: Scale, y: Scale) -> str:
    left, whisker = x(row.activated or 0), ""
    if row.low is not None and row.high is not None:
        ends = f'y1="{y(row.low):.1f}" y2="{y(row.high):.1f}"'
        whisker = f'<line class="{row.kind}" x1="{left:.1f}" x2="{left:.1f}" {ends}/>'
    tip = f"<title>{escape(row.model)}: {row.score:.4g}, {parameters(row.activated)} activated</title>"
    return f'{whisker}<circle class="{row.kind}" cx="{left:.1f}" cy="{y(row.score):.1f}" r="4.5">{tip}</circle>'


def _name(row: ScoreRow, x: Scale, y: Scale, labels: Labels) -> str:
    label = labels.place(row.model, x(row.activated or 0), y(row.score), always=row.is_family)
    if label is None:
        return ""
    place = f'x="{label.x:.1f}" y="{label.y:.1f}" text-anchor="{label.anchor}"'
    return f'<text class="{row.kind}" {place}>{escape(label.text)}</text>'


def _curve(series: Series, x: Scale, y: Scale, colour: int) -> str:
    points = [(x(level), y(run.score), run) for level, run in series.summaries.items()]
    whiskers = "".join(
        f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{y(run.low):.1f}" y2="{y(run.high):.1f}"/>'
        for left, _, run in points
    )
    dots = "".join(
        f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3"><title>{escape(series.model)}: {run.score:.4g}</title></circle>'
        for left, top, run in points
    )
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top, _ in points)
    return f'<g class="c{colour}">{whiskers}<polyline class="curve" points="{path}"/>{dots}</g>'


def _strip(content: str) -> str:
    return (
        f'<svg class="strip" width="{STRIP_WIDTH}" height="{STRIP_HEIGHT}" '
        f'viewBox="0 0 {STRIP_WIDTH} {STRIP_HEIGHT}" aria-hidden="true">{content}</svg>'
    )


def _figure(title: str, pieces: Sequence[str], width: int, height: int) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{"".join(pieces)}</svg>'
