"""Plot series: how a chart of several series is written as a plot."""

from __future__ import annotations

import random

from vl2.corpus.drawing.plot.data import Names, is_years, keyed, quoted
from vl2.corpus.drawing.plot.pen import Pen, capital
from vl2.corpus.drawing.plot.ways import Plot

MOST_IN_ROW, MOST_CELLS = 6, 8
_DARK_FIRST = ("viridis", "magma", "cividis")


def draw_lines(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw a line for each series."""
    chart = pen.chart
    mark = dice.choice(("", ', marker="o"', ', marker="."', ", linewidth=2", ', linestyle="--", marker="s"'))
    head, colour = f"for {names.one}, values in {names.series}.items():", ""
    lines: list[str] = []
    if dice.random() < 0.5:
        lines = [f"colors = {pen.palette(len(chart.series))}"]
        head, colour = f"for ({names.one}, values), color in zip({names.series}.items(), colors):", ", color=color"
    lines += [head, f"    {pen.on}.plot({names.names}, values, label={names.one}{colour}{mark})"]
    return Plot(data=keyed(chart, names), drawn=lines, x=chart.x_name, y=chart.y_name, has_legend=True,
                has_names=not is_years(chart))  # fmt: skip


def draw_stacked_areas(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw areas upon each other."""
    chart = pen.chart
    more = f"labels={names.series}, colors=colors{dice.choice(('', ', alpha=0.8', ', alpha=0.6'))}"
    lines = [f"colors = {pen.palette(len(chart.series))}",
             f"{pen.on}.stackplot({names.names}, {names.series}.values(), {more})"]  # fmt: skip
    return Plot(data=keyed(chart, names), drawn=lines, x=chart.x_name, y=chart.y_name, has_legend=True,
                has_names=not is_years(chart))  # fmt: skip


def draw_grouped_bars(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw bars of all series beside each other."""
    chart, count = pen.chart, len(pen.chart.series)
    place = dice.choice(("pos", "ind", "index", "positions"))
    lines = [f"{place} = np.arange(len({names.names}))", f"width = {dice.choice((0.8, 0.75, 0.7))} / {count}",
             f"colors = {pen.palette(count)}", f"for i, ({names.one}, values) in enumerate({names.series}.items()):",
             f"    {pen.on}.bar({place} + i * width, values, width, label={names.one}, color=colors[i])",
             pen.put("xticks", f"{place} + width * {(count - 1) / 2:g}, {names.names}")]  # fmt: skip
    return Plot(data=keyed(chart, names), drawn=lines, x=chart.x_name, y=chart.y_name, has_legend=True, has_names=True)


def draw_stacked_bars(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw bars upon each other."""
    chart, is_lying = pen.chart, dice.random() < 0.3
    call, side = ("barh", "left") if is_lying else ("bar", "bottom")
    lines = [f"{side} = np.zeros(len({names.names}))", f"for {names.one}, values in {names.series}.items():",
             f"    {pen.on}.{call}({names.names}, values, {side}={side}, label={names.one})",
             f"    {side} += np.array(values)"]  # fmt: skip
    x, y = (chart.y_name, chart.x_name) if is_lying else (chart.x_name, chart.y_name)
    return Plot(data=keyed(chart, names), drawn=lines, x=x, y=y, has_legend=True, has_names=not is_lying)


def draw_heat_map(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw values as colours, a row a series."""
    chart = pen.chart
    colours = dice.choice(("viridis", "YlOrRd", "Blues", "magma", "YlGnBu", "cividis"))
    lines = [f"matrix = np.array(list({names.series}.values()))",
             f'image = {pen.on}.imshow(matrix, cmap="{colours}", aspect="auto")',
             f"{'fig' if pen.has_axes else 'plt'}.colorbar(image, label={quoted(capital(chart.y_name))})",
             pen.put("xticks", f"range(len({names.names})), {names.names}"),
             pen.put("yticks", f"range(len({names.series})), {names.series}.keys()")]  # fmt: skip
    if len(chart.names) <= MOST_CELLS and dice.random() < 0.6:
        low, high = ("white", "black") if colours in _DARK_FIRST else ("black", "white")
        lines += ["for i in range(matrix.shape[0]):", "    for j in range(matrix.shape[1]):",
                  f'        color = "{low}" if image.norm(matrix[i, j]) < 0.5 else "{high}"',
                  f'        told = f"{{matrix[i, j]:.{chart.digits}f}}"',
                  f'        {pen.on}.text(j, i, told, ha="center", va="center", color=color)']  # fmt: skip
    lines += ["ax.grid(False)" if pen.has_axes else "plt.grid(False)"] if pen.style else []
    return Plot(data=keyed(chart, names), drawn=lines, x=chart.x_name, has_names=True)


def draw_small_plots(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw a plot of its own for each series."""
    chart, count = pen.chart, len(pen.chart.series)
    x, y = quoted(capital(chart.x_name)), quoted(capital(chart.y_name))
    is_row = count <= 3 and (is_years(chart) or len(chart.names) <= MOST_IN_ROW) and dice.random() < 0.5
    shape, size = (f"1, {count}", (4 * count, 4)) if is_row else (f"{count}, 1", (8, 2.4 * count))
    figure = f"fig, axes = plt.subplots({shape}, figsize=({size[0]:g}, {size[1]:g}), sharex=True)"
    body = dice.choice(("plot({0}, values, color=color)", 'plot({0}, values, marker="o", color=color)',
                        "bar({0}, values, color=color)"))  # fmt: skip
    lines = [f"colors = {pen.palette(count)}",
             f"for ax, color, ({names.one}, values) in zip(axes, colors, {names.series}.items()):",
             f"    ax.{body.format(names.names)}", f"    ax.set_title({names.one})",
             *([f"    ax.set_xlabel({x})", '    ax.tick_params(axis="x", rotation=45)'] if is_row else []),
             *([] if is_row else [f"axes[-1].set_xlabel({x})"]),
             f"{'axes[0].set_ylabel' if is_row else 'fig.supylabel'}({y})",
             f"fig.suptitle({pen.titled(chart.title, size[0])})"]  # fmt: skip
    return Plot(data=keyed(chart, names), drawn=lines, figure=figure, is_done=True)


def draw_radar(pen: Pen, names: Names, dice: random.Random) -> Plot:
    """Draw each series as a closed line around a centre."""
    chart = pen.chart
    figure = 'fig, ax = plt.subplots(figsize=(6.5, 6.5), subplot_kw={"projection": "polar"})'
    lines = [f"angles = np.linspace(0, 2 * np.pi, len({names.names}), endpoint=False).tolist()",
             f"for {names.one}, values in {names.series}.items():",
             f"    ax.plot(angles + angles[:1], values + values[:1], label={names.one})",
             *(["    ax.fill(angles, values, alpha=0.15)"] if dice.random() < 0.6 else []),
             f"ax.set_xticks(angles, {names.names})",
             f"ax.set_title({pen.titled(chart.title, 6.5)}, pad=20)",
             'ax.legend(loc="lower left", bbox_to_anchor=(0.95, 0.95))']  # fmt: skip
    return Plot(data=keyed(chart, names), drawn=lines, figure=figure, is_done=True)
