"""Plot ways: how a chart of one series is written as a plot. Each way returns the lines that draw."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vl2.corpus.drawing.plot.data import Names, is_years, quoted, single
from vl2.corpus.drawing.plot.pen import Pen

MOST_PRINTED = 10
_MEAN_OF_FIVE = {"en": "5-point moving average", "zh": "五点移动平均"}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot as code: its data, what is drawn in the figure, and what stands at its axes."""

    data: Sequence[str]
    drawn: Sequence[str]
    x: str = ""
    y: str = ""
    has_legend: bool = False
    has_names: bool = False  # names stand along the axis below
    title: str = ""  # where it is not that of the chart
    figure: str = ""  # the line that makes it, where it is not one with one axes
    is_done: bool = False  # title and labels are drawn already


Way = Callable[[Pen, Names, random.Random], Plot]


def draw_bars(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw upright bars, perhaps with their values above."""
    chart = pen.chart
    more = ', width=1.0, edgecolor="white"' if chart.kind == "histogram" else dice.choice(("", "", ", width=0.6"))
    is_coloured = dice.random() < 0.2 and len(chart.names) <= 8
    colours = "colors" if is_coloured else pen.colour()
    call = f"{pen.on}.bar({names.names}, {names.values}, color={colours}{more})"
    printed = len(chart.names) <= MOST_PRINTED and dice.random() < 0.5
    lines = [f"bars = {call}", f'{pen.on}.bar_label(bars, fmt="%.{chart.digits}f")'] if printed else [call]
    lines = [f"colors = {pen.palette(len(chart.names))}", *lines] if is_coloured else lines
    return Plot(data=single(chart, names), drawn=lines, x=chart.x_name, y=chart.y_name, has_names=True)


def draw_lying_bars(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw bars from the left, the first at the top."""
    chart = pen.chart
    lines = [f"bars = {pen.on}.barh({names.names}, {names.values}, color={pen.colour()})"]
    lines.append("ax.invert_yaxis()" if pen.has_axes else "plt.gca().invert_yaxis()")
    if len(chart.names) <= MOST_PRINTED and dice.random() < 0.4:
        lines += [f'{pen.on}.bar_label(bars, fmt="%.{chart.digits}f", padding=3)', f"{pen.on}.margins(x=0.12)"]
    else:
        lines[0] = lines[0].removeprefix("bars = ")
    return Plot(data=single(chart, names), drawn=lines, x=chart.y_name, y=chart.x_name)


def draw_lollipops(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw a dot for each value, on a stick."""
    chart = pen.chart
    if chart.is_time or dice.random() < 0.5:
        lines = [f"{pen.on}.vlines({names.names}, 0, {names.values}, color={pen.colour(1)}, linewidth=2)",
                 f'{pen.on}.plot({names.names}, {names.values}, "o", color={pen.colour()}, markersize=8)']  # fmt: skip
        return Plot(data=single(chart, names), drawn=lines, x=chart.x_name, y=chart.y_name, has_names=True)
    lines = [f"{pen.on}.hlines({names.names}, 0, {names.values}, color={pen.colour(1)})",
             f'{pen.on}.plot({names.values}, {names.names}, "D", color={pen.colour()})']  # fmt: skip
    return Plot(data=single(chart, names), drawn=lines, x=chart.y_name, y=chart.x_name)


def draw_pie(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw a pie or a ring."""
    chart = pen.chart
    more = [f'autopct="%.{chart.digits}f%%"', f"startangle={dice.choice((0, 90, 90, 140))}"]
    more += ["counterclock=False"] if dice.random() < 0.4 else []
    more += ['wedgeprops={"width": 0.4, "edgecolor": "white"}', "pctdistance=0.8"] if dice.random() < 0.4 else []
    lines = [f"colors = {pen.palette(len(chart.names))}", f"{pen.on}.pie(",
             f"    {names.values}, labels={names.names}, colors=colors,",
             f"    {', '.join(more)},", ")", 'ax.axis("equal")' if pen.has_axes else 'plt.axis("equal")']  # fmt: skip
    return Plot(data=single(chart, names), drawn=lines)


def draw_line(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw one line, perhaps filled below or with its running mean."""
    chart = pen.chart
    mark = dice.choice(("", ', marker="o"', ', marker="s", linestyle="--"', ", linewidth=2", ', marker="^"'))
    lines = [f"{pen.on}.plot({names.names}, {names.values}, color={pen.colour()}{mark})"]
    low = min(chart.series[0].values)
    way = dice.choice(("", "", "fill", "mean", "step"))
    if way == "fill" and low >= 0:
        lines.append(f"{pen.on}.fill_between({names.names}, {names.values}, color={pen.colour()}, alpha=0.3)")
    if way == "step":
        lines = [f'{pen.on}.step({names.names}, {names.values}, where="mid", color={pen.colour()})']
    if way == "mean" and is_years(chart):
        one, other = quoted(chart.series[0].name), quoted(_MEAN_OF_FIVE[chart.language])
        lines = [f"{pen.on}.plot({names.names}, {names.values}, color={pen.colour()}, alpha=0.6, label={one})",
                 f'smooth = np.convolve({names.values}, np.ones(5) / 5, mode="valid")',
                 f"{pen.on}.plot({names.names}[2:-2], smooth, color={pen.colour(1)}, label={other})"]  # fmt: skip
    return Plot(data=single(chart, names), drawn=lines, x=chart.x_name, y=chart.y_name, has_names=not is_years(chart),
                has_legend="label=" in "".join(lines))  # fmt: skip
