"""Write plot: the matplotlib script of a chart as a person would write it; nothing is drawn here."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from vl2.core.sample import Sample
from vl2.corpus.drawing.chart.data import Chart, chart_of
from vl2.corpus.drawing.plot.choice import ways_of
from vl2.corpus.drawing.plot.data import pick_names
from vl2.corpus.drawing.plot.pen import Pen, pick_pen, width_of
from vl2.corpus.drawing.plot.ways import Plot
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sources.wordings import PLOT, asked


@dataclass(frozen=True, kw_only=True)
class WritePlot:
    """What falls by chance: kind of plot, style, colours, sizes, and how the code is put."""

    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row of a chart with a script that plots its values. Raises RowError without a chart."""
        code = write_script(chart_of(sample), dice_of(sample, "write_plot", self.seed))
        return replace(sample, messages=asked(PLOT, code, 0), images=(), objects=(), answers=(code,))


def write_script(chart: Chart, dice: random.Random) -> str:
    """Return Python that needs matplotlib, perhaps numpy, and nothing else."""
    pen, names = pick_pen(chart, dice), pick_names(chart, dice)
    plot = dice.choice(ways_of(chart))(pen, names, dice)
    ending = _ending(pen, plot, dice)
    has_numpy = "np." in "\n".join(plot.drawn)
    pieces = [
        pen.opening(has_numpy=has_numpy), [*pen.note("Data", "数据"), *plot.data], [""],
        [plot.figure or pen.figure()], [*pen.note("Plot", "绘图"), *plot.drawn], ending,
    ]  # fmt: skip
    return "\n".join(line for piece in pieces for line in piece)


def _ending(pen: Pen, plot: Plot, dice: random.Random) -> list[str]:
    """Return labels, legend and grid, and what shows the plot."""
    lines: list[str] = []
    if not plot.is_done:
        lines += pen.note("Labels", "标题和坐标轴")
        lines += pen.labels(plot.title or pen.chart.title, plot.x, plot.y)
        lines += pen.turned() if plot.has_names else []
        lines += [_legend(pen, dice)] if plot.has_legend else []
        is_measured = bool(plot.x or plot.y) and "imshow" not in "".join(plot.drawn)
        lines += [_grid(pen)] if pen.grid and is_measured and not pen.style else []
        if pen.has_axes and not pen.style and is_measured and dice.random() < 0.25:
            lines.append('ax.spines[["top", "right"]].set_visible(False)')
    fitting = (
        ["plt.tight_layout()"] if not pen.has_axes or plot.is_done or dice.random() < 0.5 else ["fig.tight_layout()"]
    )
    return [*lines, *fitting, "plt.show()"]


def _legend(pen: Pen, dice: random.Random) -> str:
    """Return the legend: outside where its names are long."""
    widest = max(width_of(one.name) for one in pen.chart.series)
    if widest > 18 or dice.random() < 0.15:
        return f'{pen.on}.legend(loc="upper left", bbox_to_anchor=(1.02, 1))'
    return f"{pen.on}.legend({dice.choice(('', '', 'frameon=False', 'fontsize=9'))})"


def _grid(pen: Pen) -> str:
    return f'{pen.on}.grid(axis="{pen.grid}", linestyle="--", alpha=0.5)'
