"""Chart kinds: what each kind of chart draws within its axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from vl2.corpus.drawing.chart.look import MARKERS
from vl2.corpus.drawing.chart.pen import Pen


def _draw_bars(pen: Pen, axes: Axes) -> None:
    chart, look = pen.chart, pen.look
    values, places = chart.series[0].values, range(len(chart.names))
    is_histogram = chart.kind == "histogram"
    many = look.many_colours and not is_histogram
    colours = [pen.colour(place if many else 0) for place in places]
    hatches = [pen.hatch(place) for place in places] if many else [pen.hatch(1)] * len(values)
    thick = 1.0 if is_histogram else 0.7
    edge = _edge(pen) if not is_histogram else "#ffffff"
    (axes.barh if pen.is_flat else axes.bar)(places, values, thick, color=colours, hatch=hatches, edgecolor=edge)
    if not pen.is_flat:
        axes.set_xlim(-0.6, len(values) - 0.4)
    gap = (pen.ticks.high - pen.ticks.low) * 0.012
    for place, value in enumerate(values if look.printed else ()):
        at = value + gap if value >= 0 else value - gap
        if pen.is_flat:
            pen.print_value(axes, at, place, value, ha="left" if value >= 0 else "right", va="center")
        else:
            pen.print_value(axes, place, at, value, ha="center", va="bottom" if value >= 0 else "top")


def _edge(pen: Pen) -> str:
    """Return the colour around bars, which is that of the lines within them."""
    return "#ffffff" if pen.look.hatched else "none"


def _draw_grouped(pen: Pen, axes: Axes) -> None:
    chart, look = pen.chart, pen.look
    thick, gap = 0.8 / len(chart.series), (pen.ticks.high - pen.ticks.low) * 0.012
    for number, one in enumerate(chart.series):
        places = [place - 0.4 + thick * (number + 0.5) for place in range(len(chart.names))]
        axes.bar(places, one.values, thick * 0.94, color=pen.colour(number), label=one.name,
                 hatch=pen.hatch(number), edgecolor=_edge(pen))  # fmt: skip
        for place, value in zip(places, one.values if look.printed else (), strict=False):
            pen.print_value(axes, place, value + (gap if value >= 0 else -gap), value, ha="center",
                            va="bottom" if value >= 0 else "top")  # fmt: skip
    axes.set_xlim(-0.6, len(chart.names) - 0.4)


def _draw_stacked(pen: Pen, axes: Axes) -> None:
    chart, look = pen.chart, pen.look
    below = np.zeros(len(chart.names))
    for number, one in enumerate(chart.series):
        axes.bar(range(len(chart.names)), one.values, 0.7, below, color=pen.colour(number), label=one.name,
                 hatch=pen.hatch(number), edgecolor=_edge(pen))  # fmt: skip
        for place, value in enumerate(one.values if look.printed else ()):
            ground = {"facecolor": "#ffffff", "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
            pen.print_value(axes, place, below[place] + value / 2, value, ha="center", va="center", bbox=ground)
        below += np.array(one.values)
    axes.set_xlim(-0.6, len(chart.names) - 0.4)


def _draw_lines(pen: Pen, axes: Axes) -> None:
    chart, look = pen.chart, pen.look
    places = range(len(chart.names))
    for number, one in enumerate(chart.series):
        style = ("-", "--", "-.", ":")[number % 4] if look.hatched else "-"
        marker = MARKERS[number] if look.markers and len(places) <= 25 else ""
        axes.plot(places, one.values, style, color=pen.colour(number), marker=marker, label=one.name, linewidth=1.8,
                  markersize=look.size * 0.42, clip_on=False)  # fmt: skip
        if look.printed:
            gap = (pen.ticks.high - pen.ticks.low) * 0.03
            for place, value in enumerate(one.values):
                pen.print_value(axes, place, value + gap, value, ha="center", va="bottom")
    axes.set_xlim(-0.4, len(places) - 0.6)


def _draw_area(pen: Pen, axes: Axes) -> None:
    chart = pen.chart
    places, lines = range(len(chart.names)), [one.values for one in chart.series]
    colours = [pen.colour(number) for number in range(len(lines))]
    axes.stackplot(places, *lines, colors=colours, labels=[one.name for one in chart.series], alpha=0.85)
    axes.set_xlim(0, len(places) - 1)


def _draw_scatter(pen: Pen, axes: Axes) -> None:
    for number, one in enumerate(pen.chart.series):
        axes.plot(one.xs, one.values, MARKERS[number] if pen.look.markers else "o", color=pen.colour(number),
                  label=one.name, linestyle="", markersize=pen.look.size * 0.45, alpha=0.8, clip_on=False)  # fmt: skip


def _draw_pie(pen: Pen, axes: Axes) -> None:
    chart, look = pen.chart, pen.look
    values, is_ring = chart.series[0].values, look.hatched or look.frame == "box"
    wedges, *_ = axes.pie(values, startangle=90, counterclock=False, radius=0.98,
                          colors=[pen.colour(place) for place in range(len(values))],
                          wedgeprops={"linewidth": 1.0, "edgecolor": look.paper, "width": 0.45 if is_ring else None},
                          labels=None)  # fmt: skip
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(-1.05, 1.05)
    for wedge, told in zip(wedges, pen.slices, strict=True):
        turn = np.deg2rad((wedge.theta1 + wedge.theta2) / 2)
        x, y = np.cos(turn), np.sin(turn)
        side = "left" if x > 0.05 else "right" if x < -0.05 else "center"
        axes.text(1.06 * x, 1.09 * y, told, ha=side, va="center", color=look.ink,
                  fontproperties=pen.font(), clip_on=False)  # fmt: skip


DRAWN_KINDS: dict[str, Callable[[Pen, Axes], None]] = {
    "bars": _draw_bars,
    "horizontal": _draw_bars,
    "histogram": _draw_bars,
    "grouped": _draw_grouped,
    "stacked": _draw_stacked,
    "lines": _draw_lines,
    "area": _draw_area,
    "scatter": _draw_scatter,
    "pie": _draw_pie,
}
