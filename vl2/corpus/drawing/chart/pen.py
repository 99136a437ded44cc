"""Chart pen: a chart with its look, and the room that its words take; measured before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from matplotlib.axes import Axes
from matplotlib.font_manager import FontPath, FontProperties

from vl2.corpus.drawing.chart.data import Chart
from vl2.corpus.drawing.chart.faces import face_file, widest, width_of, wrapped
from vl2.corpus.drawing.chart.look import HATCHES, Look
from vl2.corpus.drawing.chart.ticks import Ticks, fit_names, value_ticks

EDGE = 10.0  # pixels around everything
LINE, TITLE, TITLE_LINE = 1.35, 1.2, 1.56  # heights in sizes of letters
BELOW = 0.5  # between an axis and the words below it, in sizes of letters
_PRINT_SIZE = 0.9  # of printed values, as a share of other letters
_HEADROOM, _PRINT_ROOM = 0.04, 0.1  # above the highest value, as a share of the range
_WIDEST_NAMES, _WIDEST_SLICE = 0.35, 0.18  # beside horizontal bars, and beside slices, as shares of the picture


@dataclass(frozen=True)
class Room:
    """Pixels around the axes."""

    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Pen:
    """One chart while it is drawn."""

    chart: Chart
    look: Look

    @property
    def is_flat(self) -> bool:
        """Tell whether values run from left to right."""
        return self.chart.kind == "horizontal"

    @property
    def is_pie(self) -> bool:
        """Tell whether there are no axes."""
        return self.chart.kind == "pie"

    @property
    def has_legend(self) -> bool:
        """Tell whether colours are named."""
        return len(self.chart.series) > 1

    @cached_property
    def title(self) -> list[str]:
        """The lines of the title."""
        look = self.look
        return wrapped(self.chart.title, look.width - 2 * EDGE, look.face, look.size * TITLE, bold=look.bold_title)

    @cached_property
    def slices(self) -> tuple[str, ...]:
        """What stands beside each slice of a pie, in two lines where one is long."""
        values, look = self.chart.series[0].values, self.look
        told = [(name, f"{self.chart.say(value)}%") for name, value in zip(self.chart.names, values, strict=True)]
        is_long = widest(self.chart.names, look.face, look.size) > look.width * _WIDEST_SLICE
        return tuple(("\n" if is_long else " ").join(pair) for pair in told)

    @cached_property
    def ticks(self) -> Ticks:
        """The ticks of the axis of values."""
        chart = self.chart
        lines = [one.values for one in chart.series]
        is_stacked = chart.kind in ("stacked", "area")
        from_zero = chart.kind not in ("lines", "scatter")
        values = (
            [sum(column) for column in zip(*lines, strict=True)] if is_stacked else [v for line in lines for v in line]
        )
        room = _PRINT_ROOM if self.look.printed else _HEADROOM
        return value_ticks(values, from_zero=from_zero, wanted=5 if self.look.height > 380 else 4, room=room)

    @cached_property
    def legend_rows(self) -> list[int]:
        """How many entries stand in each row of a legend above or below the chart."""
        rows, used = [0], 0.0
        for one in self.chart.series if self.has_legend else ():
            needed = width_of(one.name, self.look.face, self.look.size) + self.look.size * 4
            if rows[-1] and used + needed > self.look.width - 2 * EDGE:
                rows.append(0)
                used = 0.0
            rows[-1] += 1
            used += needed
        return rows

    @property
    def legend_depth(self) -> float:
        """The height of a legend above or below."""
        return self.look.size * LINE * len(self.legend_rows) if self.has_legend else 0.0

    def room(self) -> Room:
        """Return the room that words take around the axes."""
        look, chart, line = self.look, self.chart, self.look.size * LINE
        top = EDGE + len(self.title) * look.size * TITLE_LINE + look.size * 0.7
        left = right = bottom = EDGE
        if not self.is_pie:
            values, names = widest(self.ticks.labels, look.face, look.size), widest(chart.names, look.face, look.size)
            left += line + (min(names, look.width * _WIDEST_NAMES) if self.is_flat else values) + 10
            right += look.size + (values / 2 if self.is_flat or chart.kind == "scatter" else 0)
            right += self._legend_width()
            slot = (look.width - left - right) / max(1, len(chart.names))
            below = look.size * 1.5 if self.is_flat or not chart.names else fit_names(chart, look, slot, left).depth
            bottom += line + below + 3 + look.size * BELOW
        if self.is_pie:
            lines = tuple(line for told in self.slices for line in told.split("\n"))
            left = right = EDGE + widest(lines, look.face, look.size)
            top, bottom = top + line * 0.5, bottom + line * 1.5
        top += self.legend_depth + 4 if self.has_legend and look.legend == "top" else 0
        bottom += self.legend_depth + 6 if self.has_legend and look.legend == "bottom" else 0
        return Room(left, right, top, bottom)

    def _legend_width(self) -> float:
        if not self.has_legend or self.look.legend != "right":
            return 0.0
        return (
            widest(tuple(one.name for one in self.chart.series), self.look.face, self.look.size) + self.look.size * 3.2
        )

    def font(self, share: float = 1.0, *, bold: bool = False) -> FontProperties:
        """Return the font at a share of the size of letters."""
        return _font(self.look.face, bold, round(self.look.size * share, 1))

    def colour(self, place: int) -> str:
        """Return the colour of a series, or of a bar with a colour of its own."""
        return self.look.colours[place % len(self.look.colours)][0]

    def hatch(self, place: int) -> str:
        """Return the lines within a bar, mostly none."""
        return HATCHES[place % len(HATCHES)] if self.look.hatched else ""

    def print_value(self, axes: Axes, x: float, y: float, value: float, **more: Any) -> None:
        """Write a value at a place of the axes."""
        axes.text(x, y, self.chart.say(value), color=self.look.ink, fontproperties=self.font(_PRINT_SIZE), **more)


@cache
def _font(face: str, bold: bool, size: float) -> FontProperties:
    file = face_file(face, bold=bold)
    return FontProperties(fname=FontPath(file.path, file.index), size=size)
