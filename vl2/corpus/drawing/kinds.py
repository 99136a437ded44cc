"""The steps that draw, each with its settings: a part of the table of steps."""

from __future__ import annotations

from vl2.corpus.drawing.chart.step import DrawChart
from vl2.corpus.drawing.formula import DrawFormula
from vl2.corpus.drawing.lines.step import DrawLines
from vl2.corpus.drawing.page import DrawPage
from vl2.corpus.drawing.plot.step import WritePlot
from vl2.corpus.drawing.scene.step import Scene
from vl2.corpus.drawing.table.step import DrawTable
from vl2.corpus.step_kind import StepKind, rewriting_kind

DRAWING_KINDS: tuple[StepKind, ...] = (
    rewriting_kind("draw_chart", 1, DrawChart),
    rewriting_kind("draw_table", 1, DrawTable),
    rewriting_kind("draw_lines", 1, DrawLines),
    rewriting_kind("draw_formula", 1, DrawFormula),
    rewriting_kind("write_plot", 1, WritePlot),
    rewriting_kind("draw_page", 1, DrawPage),
    rewriting_kind("scene", 2, Scene),
)
