"""Chart draw: a chart as a picture, by matplotlib's Agg.

Words that would lie on each other or leave the picture make the row a fault, so that no such chart is learned.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from vl2.corpus.drawing.chart.data import Chart
from vl2.corpus.drawing.chart.kinds import DRAWN_KINDS
from vl2.corpus.drawing.chart.look import GREY_GROUND, Look
from vl2.corpus.drawing.chart.pen import BELOW, EDGE, LINE, TITLE, TITLE_LINE, Pen, Room
from vl2.corpus.drawing.chart.ticks import TURNED, Names, fit_names, value_ticks
from vl2.data.faults import RowError

DOTS_PER_INCH = 72  # so that a point is a pixel
_GAP = 3.0  # between title and legend
_CORNERS: dict[str, Literal["center left", "upper center", "lower center"]] = {
    "right": "center left", "top": "upper center", "bottom": "lower center",
}  # fmt: skip
_NARROWEST, _LOWEST = 150, 110  # axes in pixels
_SLACK, _APART = 1.0, 2.0  # pixels by which words may meet above each other, and stay apart beside each other


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture as PNG, and what a reader finds on it."""

    png: bytes
    ticks: tuple[float, ...]  # along the axis of values; none of a pie
    low: float
    high: float
    places: tuple[int, ...]  # of the names that are written
    has_legend: bool
    colours: tuple[str, ...]  # in words: of series, or of names where each has its own
    printed: bool


def draw(chart: Chart, look: Look) -> Drawn:
    """Draw a chart. Raises RowError when its words do not fit."""
    pen = Pen(chart, look)
    room = pen.room()
    wide, high = look.width - room.left - room.right, look.height - room.top - room.bottom
    if wide < _NARROWEST or high < _LOWEST:
        raise RowError("a chart whose words leave no room for it")
    figure, canvas = _figure()
    figure.clear()
    figure.set_size_inches(look.width / DOTS_PER_INCH, look.height / DOTS_PER_INCH)
    figure.set_facecolor(look.paper)
    axes = figure.add_axes((room.left / look.width, room.bottom / look.height, wide / look.width, high / look.height))
    names = fit_names(chart, look, wide / max(1, len(chart.names)), room.left)
    DRAWN_KINDS[chart.kind](pen, axes)
    if not pen.is_pie:
        _dress(pen, axes)
        _write_ticks(pen, axes, names)
        _write_axes(pen, figure, room)
    _write_title(pen, figure)
    if pen.has_legend:
        _write_legend(pen, figure, axes, room)
    canvas.draw()
    _check_words(figure, look)
    is_whole = pen.is_flat or pen.is_pie or not chart.names
    return Drawn(
        png=_encoded(canvas), ticks=() if pen.is_pie else pen.ticks.values, low=pen.ticks.low, high=pen.ticks.high,
        places=tuple(range(len(chart.names))) if is_whole else names.places, has_legend=pen.has_legend,
        colours=_colour_names(pen), printed=look.printed,
    )  # fmt: skip


def _colour_names(pen: Pen) -> tuple[str, ...]:
    own = pen.is_pie or (pen.look.many_colours and pen.chart.kind in ("bars", "horizontal"))
    count, colours = len(pen.chart.names if own else pen.chart.series), pen.look.colours
    return tuple(colours[place % len(colours)][1] for place in range(count))


def _dress(pen: Pen, axes: Axes) -> None:
    look = pen.look
    axes.set_facecolor(look.inner)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(look.frame == "box" or (look.frame == "open" and side in ("left", "bottom")))
        axes.spines[side].set_color("#666666")
    if look.grid:
        which = "both" if pen.chart.kind == "scatter" else "x" if pen.is_flat else "y"
        axes.grid(axis=which, color="#ffffff" if look.inner == GREY_GROUND else "#d0d0d0", linewidth=1.0)
        axes.set_axisbelow(True)


def _write_ticks(pen: Pen, axes: Axes, names: Names) -> None:
    look, chart = pen.look, pen.chart
    style: dict[str, Any] = {"fontproperties": pen.font(), "color": look.ink}
    values_axis = axes.xaxis if pen.is_flat else axes.yaxis
    values_axis.set_ticks(list(pen.ticks.values), list(pen.ticks.labels), **style)
    (axes.set_xlim if pen.is_flat else axes.set_ylim)(pen.ticks.low, pen.ticks.high)
    if chart.kind == "scatter":
        ticks = value_ticks([x for one in chart.series for x in one.xs], from_zero=False, wanted=6, room=0.0)
        axes.xaxis.set_ticks(list(ticks.values), list(ticks.labels), **style)
        axes.set_xlim(ticks.low, ticks.high)
    elif pen.is_flat:
        axes.yaxis.set_ticks(range(len(chart.names)), list(chart.names), **style)
        axes.set_ylim(len(chart.names) - 0.4, -0.6)
    else:
        turned = {"ha": "right", "rotation_mode": "anchor"} if names.angle == TURNED else {}
        axes.xaxis.set_ticks(list(names.places), list(names.labels), rotation=names.angle, **turned, **style)
    length = 0 if look.frame == "none" else 3
    axes.yaxis.set_tick_params(length=length, pad=3)
    axes.xaxis.set_tick_params(length=length, pad=look.size * BELOW)  # clear of the lowest value beside it


def _write_axes(pen: Pen, figure: Figure, room: Room) -> None:
    look, chart = pen.look, pen.chart
    across, upright = (chart.y_name, chart.x_name) if pen.is_flat else (chart.x_name, chart.y_name)
    below = look.size * 0.95 + (pen.legend_depth + 6 if pen.has_legend and look.legend == "bottom" else 0)
    middle = (room.left + look.width - room.right) / 2, (room.bottom + look.height - room.top) / 2
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontproperties": pen.font(), "color": look.ink}
    figure.text(middle[0] / look.width, below / look.height, across, **style)
    figure.text(look.size * 0.95 / look.width, middle[1] / look.height, upright, rotation=90, **style)


def _write_title(pen: Pen, figure: Figure) -> None:
    look = pen.look
    x, align = (EDGE / look.width, "left") if look.title_left else (0.5, "center")
    figure.text(x, 1 - EDGE / look.height, "\n".join(pen.title), ha=align, va="top", color=look.ink,
                fontproperties=pen.font(TITLE, bold=look.bold_title), linespacing=TITLE)  # fmt: skip


def _write_legend(pen: Pen, figure: Figure, axes: Axes, room: Room) -> None:
    look = pen.look
    across, upright = (room.left + look.width - room.right) / 2, (room.bottom + look.height - room.top) / 2
    below_title = look.height - EDGE - len(pen.title) * look.size * TITLE_LINE
    x, y = {
        "right": (look.width - room.right + look.size, upright),
        "top": (across, below_title - _GAP),
        "bottom": (look.width / 2, 2.0),
    }[look.legend]
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc=_CORNERS[look.legend], bbox_to_anchor=(x / look.width, y / look.height), frameon=False,
        labelcolor=look.ink, ncols=1 if look.legend == "right" else max(pen.legend_rows), prop=pen.font(),
        borderaxespad=0.0, borderpad=0.1, handlelength=LINE, handletextpad=0.5, columnspacing=1.4, labelspacing=0.3,
    )  # fmt: skip


@cache
def _figure() -> tuple[Figure, FigureCanvasAgg]:
    """Return the one figure of this process: making one costs as much as drawing a chart."""
    figure = Figure(dpi=DOTS_PER_INCH)
    return figure, FigureCanvasAgg(figure)


def _check_words(figure: Figure, look: Look) -> None:
    """Raise RowError when words lie on each other or reach beyond the picture."""
    boxes = np.array([box for box in map(_box_of, _words(figure)) if box is not None])  # [words, 4]
    if (boxes[:, :2] < 0).any() or (boxes[:, 2] > look.width).any() or (boxes[:, 3] > look.height).any():
        raise RowError("a chart whose words leave the picture")
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    meets = ((high - low) > (-_APART, _SLACK)).all(axis=2)  # [words, words]
    if np.count_nonzero(meets) > len(boxes):  # each word meets itself
        raise RowError("a chart whose words lie on each other")


def _words(figure: Figure) -> list[Any]:
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [
            *axes.texts,
            *(axes.get_xticklabels() if axes.axison else ()),
            *(axes.get_yticklabels() if axes.axison else ()),
        ]
    return [text for text in found if text.get_text()]


def _box_of(text: Any) -> tuple[float, float, float, float] | None:
    box = text.get_window_extent()
    if text.get_rotation() == TURNED:  # the box around a turned word is mostly empty
        return None
    return box.x0, box.y0, box.x1, box.y1


def _encoded(canvas: FigureCanvasAgg) -> bytes:
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=4)
    return file.getvalue()
