"""Scripts that are written over charts: every way of plotting is Python that runs, says its values, and draws."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.drawing.chart.data import Chart, ChartKind, Series, chart_to_dict
from vl2.corpus.drawing.plot.choice import ways_of
from vl2.corpus.drawing.plot.data import listed, pick_names, quoted, titled, width_of
from vl2.corpus.drawing.plot.pen import pick_pen
from vl2.corpus.drawing.plot.step import WritePlot, write_script
from vl2.corpus.ingest import ingest
from vl2.corpus.pipelines.plot_code import PlotCode
from vl2.corpus.sandbox.run import run_code
from vl2.corpus.source import Source
from vl2.corpus.step import text_of
from vl2.data.faults import RowError

GROUPS, YEARS = ("Oats, rolled", 'Rye "new"', "US$ to US$", "Wheat"), tuple(map(str, range(1990, 2002)))
CHINESE_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


def able() -> bool:
    try:
        return run_code("import matplotlib").problem == ""
    except VL2Error:
        return False


def chart(kind: ChartKind, names: tuple[str, ...], num_series: int, language: str = "en") -> Chart:
    dice = random.Random(f"{kind} {names} {num_series}")
    many = 12 if kind == "scatter" else len(names)

    def values() -> tuple[float, ...]:
        return tuple(round(dice.uniform(20, 60), 1) for _ in range(many))

    words = [f"系列{place}" if language == "zh" else f"kind {place}" for place in range(num_series)]
    series = tuple(Series(name=one, values=values(), xs=values() if kind == "scatter" else ()) for one in words)
    title = (
        "各年份产量与价格"
        if language == "zh"
        else "Harvest of all farms by year and kind, in a title that takes two lines"
    )
    return Chart(
        kind=kind, language="zh" if language == "zh" else "en", title=title, x_name="year", y_name="harvest (t)",
        names=() if kind == "scatter" else names, series=series, digits=1, x_digits=1, is_time=names == YEARS,
    )  # fmt: skip


CHARTS = [
    chart("bars", GROUPS, 1), chart("horizontal", GROUPS, 1), chart("pie", GROUPS, 1), chart("histogram", GROUPS, 1),
    chart("lines", YEARS, 1), chart("area", YEARS, 1), chart("bars", YEARS, 1), chart("lines", YEARS, 3),
    chart("area", YEARS, 2), chart("grouped", GROUPS, 3), chart("stacked", GROUPS, 2), chart("scatter", (), 1),
    chart("scatter", (), 3), chart("lines", YEARS, 2, "zh"), chart("bars", YEARS[:5], 1, "zh"),
]  # fmt: skip


def row(one: Chart) -> Sample:
    return ingest(Sample("0", (), provenance={"chart": chart_to_dict(one)}), Source(name="made", path="made"))


@pytest.mark.parametrize("one", CHARTS, ids=lambda one: f"{one.kind}-{len(one.series)}-{one.language}")
def test_every_script_is_python_that_says_all_values_and_names(one):
    scripts = {write_script(one, random.Random(seed)) for seed in range(40)}
    assert len(scripts) > 30
    for code in scripts:
        told = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
        assert all(value in told for series in one.series for value in (*series.values, *series.xs)), code
        names = [name.replace("$", r"\$") if name.count("$") > 1 else name for name in one.names]
        assert all(name in told or (name.isdigit() and int(name) in told) for name in names) or "boxplot" in code or (
            "means" in code), code  # fmt: skip
        assert max(map(len, code.splitlines())) <= 125 and 8 <= len(code.splitlines()) <= 60, code


def test_a_row_gets_the_same_script_again_and_none_without_a_chart():
    made = WritePlot().change(row(CHARTS[0]))
    assert made == WritePlot().change(row(CHARTS[0])) and text_of(made, ("assistant",)).startswith("import matplotlib")
    assert made.messages != WritePlot(seed=1).change(row(CHARTS[0])).messages
    with pytest.raises(RowError, match="no chart"):
        WritePlot().change(ingest(Sample("0", ()), Source(name="made", path="made")))


@pytest.mark.parametrize("one", CHARTS, ids=lambda one: f"{one.kind}-{len(one.series)}-{one.language}")
def test_every_way_runs_and_draws_one_picture_without_a_word(one):
    if not able():
        pytest.skip("this kernel has no Landlock or seccomp: code is not run at all")
    if one.language == "zh" and not CHINESE_FONT.exists():
        pytest.skip("the Debian package fonts-noto-cjk is not installed")
    ways = {way.__name__ for way in ways_of(one)}
    for name in sorted(ways):
        dice = random.Random(name)
        code = next(code for code in (write_script(one, dice) for _ in range(200)) if _is_of(name, code, one, dice))
        ran = run_code(code)
        assert (ran.problem, ran.output, list(ran.files)) == ("", "", ["figure-0.png"]), code


def _is_of(name: str, code: str, one: Chart, dice: random.Random) -> bool:
    """Tell whether a script may be of a way: by the lines that this way draws, whatever the habits."""
    way = next(way for way in ways_of(one) if way.__name__ == name)
    drawn = way(pick_pen(one, dice), pick_names(one, dice), dice).drawn
    calls = {line.partition("(")[0].rpartition(".")[2] for line in drawn if "(" in line}
    return all(f"{call}(" in code for call in calls)


def test_what_is_written_is_a_row_of_plot_code():
    if not able():
        pytest.skip("this kernel has no Landlock or seccomp: code is not run at all")
    made = PlotCode(likeness=0.0).change(WritePlot().change(row(CHARTS[9])))
    assert made.images and text_of(made, ("assistant",)).startswith("```python\nimport matplotlib.pyplot as plt")


def test_texts_and_lists_are_written_as_they_are():
    assert ast.literal_eval(quoted('a "b" 中\n$')) == 'a "b" 中\n$' and ast.literal_eval(quoted("$a$")) == r"\$a\$"
    items = [quoted(f"name, {place} of some") for place in range(20)]
    lines = listed("x = ", items)
    assert ast.literal_eval("\n".join(lines).removeprefix("x = ")) == [f"name, {place} of some" for place in range(20)]
    assert len(lines) > 3 and max(map(len, lines)) <= 100
    assert "\\n" in titled("word " * 20, 40.0) and titled("短", 40.0) == '"短"' and width_of("短a") == 2.7
    assert "\\n" in titled("各年份按产品划分的全国平均产量以及价格", 20.0)
