"""Plot spread: how points, and how values spread, are written as a plot."""

from __future__ import annotations

import random

from vl2.corpus.drawing.plot.data import Names, keyed, points, quoted
from vl2.corpus.drawing.plot.pen import Pen, capital
from vl2.corpus.drawing.plot.ways import Plot


def draw_boxes(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw how the values of each series spread."""
    chart = pen.chart
    values = f"{names.series}.values()"
    data, chosen = keyed(chart, names, has_axis=False), f"list({values})"
    if chart.kind == "scatter":
        data, chosen = points(chart, names), f"[y for x, y in {values}]"
    call = f"{pen.on}.boxplot({chosen}, tick_labels=list({names.series}))"
    if dice.random() < 0.5:
        lines = [f"boxes = {call[:-1]}, patch_artist=True)",
                 f"colors = {pen.palette(len(chart.series))}",
                 'for box, color in zip(boxes["boxes"], colors):', "    box.set_facecolor(color)"]  # fmt: skip
    else:
        lines = [call]
    return Plot(data=data, drawn=lines, y=chart.y_name, title=chart.y_name if chart.kind == "scatter" else "")


def draw_error_bars(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw the mean of each series, and how far its values spread."""
    chart = pen.chart
    values = f"[y for x, y in {names.series}.values()]" if chart.kind == "scatter" else f"{names.series}.values()"
    data = points(chart, names) if chart.kind == "scatter" else keyed(chart, names, has_axis=False)
    lines = [f"means = [np.mean(v) for v in {values}]", f"errors = [np.std(v) for v in {values}]"]
    cap = f"capsize={dice.choice((3, 4, 5))}"
    if dice.random() < 0.5:
        lines.append(f"{pen.on}.bar(list({names.series}), means, yerr=errors, {cap}, color={pen.colour()}, alpha=0.8)")
    else:
        lines.append(
            f'{pen.on}.errorbar(list({names.series}), means, yerr=errors, fmt="o", {cap}, color={pen.colour()})'
        )
    told = "均值 ± 标准差" if chart.language == "zh" else "Mean ± standard deviation"
    return Plot(data=data, drawn=lines, y=told, title=chart.y_name)


def draw_points(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw points, perhaps with the line that fits them best."""
    chart = pen.chart
    look = dice.choice(("", ", alpha=0.7", ', s=40, alpha=0.6, edgecolors="black"', ', marker="x"', ", s=15"))
    if len(chart.series) > 1:
        lines = [f"colors = {pen.palette(len(chart.series))}",
                 f"for ({names.one}, (x, y)), color in zip({names.series}.items(), colors):",
                 f"    {pen.on}.scatter(x, y, color=color, label={names.one}{look})"]  # fmt: skip
        return Plot(data=points(chart, names), drawn=lines, x=chart.x_name, y=chart.y_name, has_legend=True)
    lines = [f"{pen.on}.scatter(x, y, color={pen.colour()}{look})"]
    if dice.random() < 0.5:
        label = quoted("线性拟合" if chart.language == "zh" else "linear fit")
        lines += ["slope, intercept = np.polyfit(x, y, 1)", "line = np.linspace(min(x), max(x), 50)",
                  f"{pen.on}.plot(line, slope * line + intercept, color={pen.colour(1)}, label={label})"]  # fmt: skip
    return Plot(data=points(chart, names), drawn=lines, x=chart.x_name, y=chart.y_name, has_legend=len(lines) > 1)


def draw_points_and_counts(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw points, and beside them how often values fall where."""
    chart = pen.chart
    count = quoted("数量" if chart.language == "zh" else "Count")
    x, y = quoted(capital(chart.x_name)), quoted(capital(chart.y_name))
    figure = f"fig, (ax1, ax2) = plt.subplots(1, 2, figsize=({dice.choice((10, 11, 12))}, 4.5))"
    lines = [f"ax1.scatter(x, y, color={pen.colour()}, alpha=0.7)", f"ax1.set_xlabel({x})", f"ax1.set_ylabel({y})",
             f"ax2.hist(y, bins={dice.randint(6, 14)}, color={pen.colour(1)})", f"ax2.set_xlabel({y})",
             f"ax2.set_ylabel({count})", f"fig.suptitle({pen.titled(chart.title, 10)})"]  # fmt: skip
    return Plot(data=points(chart, names), drawn=lines, figure=figure, is_done=True)
