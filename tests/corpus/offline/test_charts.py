"""Charts and tables of data: what is drawn is what the table says, and every answer follows from what is drawn."""

from __future__ import annotations

import io
import json
import random
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from matplotlib.font_manager import FontPath, get_font
from PIL import Image

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample, TextPart
from vl2.corpus.drawing.chart.data import Chart, Series, chart_of
from vl2.corpus.drawing.chart.draw import Drawn, draw
from vl2.corpus.drawing.chart.faces import FACES, face_file, width_of, wrapped
from vl2.corpus.drawing.chart.look import pick_look
from vl2.corpus.drawing.chart.questions import ask
from vl2.corpus.drawing.chart.reading import CLEAR
from vl2.corpus.drawing.chart.step import DrawChart
from vl2.corpus.drawing.chart.ticks import value_ticks
from vl2.corpus.drawing.table.data import FIELD as TABLE_FIELD
from vl2.corpus.drawing.table.data import Table, TableCell, table_to_dict
from vl2.corpus.drawing.table.questions import ask_table
from vl2.corpus.drawing.table.step import DrawTable
from vl2.corpus.hints import questions_of
from vl2.corpus.ingest import ingest
from vl2.corpus.pipelines.tables import TableCode
from vl2.corpus.recipe import Recipe
from vl2.corpus.rewriting import rewriting
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source
from vl2.corpus.sources.html_table import read_grid
from vl2.corpus.sources.packages import data
from vl2.corpus.sources.packages.data.columns import read_table, table_kind
from vl2.corpus.sources.packages.data.numbers import digits_for, round_edges
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.table import open_source
from vl2.corpus.step import is_kept
from vl2.data.faults import RowError

VEGA = Path("runs/npm/node_modules/vega-datasets/data")
SOURCES = ("Fossil Fuels", "Nuclear Energy", "Renewables")
HAS_NOTO = (Path(FACES["noto"][0]) / FACES["noto"][1]).is_file()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two tables as vega-datasets has them, of a few rows, and one that nobody knows."""
    place = tmp_path_factory.mktemp("data")
    dice = random.Random(0)
    lines = [f"{year}-01-01,{source},{dice.randint(1000, 40000)}" for year in range(2001, 2018) for source in SOURCES]
    (place / "iowa-electricity.csv").write_text("\n".join(("year,source,net_generation", *lines)) + "\n")
    penguins = [
        {"Species": dice.choice(("Adelie", "Gentoo")), "Island": dice.choice(("Biscoe", "Dream", "Torgersen")),
         "Sex": dice.choice(("MALE", "FEMALE", None, ".")), "Beak Length (mm)": dice.randint(320, 590) / 10,
         "Beak Depth (mm)": dice.randint(130, 210) / 10, "Flipper Length (mm)": dice.randint(170, 230),
         "Body Mass (g)": dice.randrange(2700, 6300, 25)}
        for _ in range(80)
    ]  # fmt: skip
    (place / "penguins.json").write_text(json.dumps(penguins))
    (place / "nobody-knows.csv").write_text("a,b\n1,2\n")
    return place


def samples_of(folder, kind):
    source = Source(name="made", format=kind, path=str(folder))
    return [ingest(row, source) for row in open_source(source) if isinstance(row, Sample)]


def bars(values, *, kind="bars", names=None, digits=0, language="en", **more):
    names = tuple(names or [f"N{place}" for place in range(len(values))])
    return Chart(kind=kind, language=language, title="A title", x_name="Town", y_name="Rain (mm)", names=names,
                 series=(Series(name="Rain", values=tuple(map(float, values))),), digits=digits, **more)  # fmt: skip


def seen(chart, *, printed, low=0.0, high=100.0):
    """Return what a reader finds on a chart, without drawing it."""
    return Drawn(
        png=b"", ticks=(0.0, 50.0, 100.0), low=low, high=high, places=tuple(range(len(chart.names))),
        has_legend=len(chart.series) > 1, colours=("blue", "red")[: len(chart.series)], printed=printed,
    )  # fmt: skip


def turns_of(chart, drawn, tries=40):
    """Return all questions that many dice ask."""
    return [turn for seed in range(tries) for turn in ask(chart, drawn, random.Random(seed), 6)]


def test_charts_show_what_the_table_says(folder):
    rows = samples_of(folder, "data_charts")
    assert Counter(row.provenance["source_id"].partition(":")[0] for row in rows) == {
        name: table_kind(name).rows for name in ("iowa-electricity.csv", "penguins.json")
    }
    generated = {}
    for line in (folder / "iowa-electricity.csv").read_text().splitlines()[1:]:
        year, source, value = line.split(",")
        generated[source, year[:4]] = float(value)
    checked = 0
    for row in rows:
        chart = chart_of(row)
        told = [one.name for one in chart.series]
        if chart.language == "en" and chart.title == "Electricity generation in Iowa by year and source of energy":
            assert all(
                value == generated[name, year]
                for name, one in zip(told, chart.series, strict=True)
                for year, value in zip(chart.names, one.values, strict=True)
            )
            checked += 1
    assert checked > 3
    assert len({chart_of(row).kind for row in rows}) >= 7
    assert {chart_of(row).language for row in rows} == {"en", "zh"}
    assert {row.provenance["licence"] for row in rows} == {"US-Government", "CC0-1.0"}


def test_a_row_is_the_same_wherever_it_is_read(folder):
    one, other = samples_of(folder, "data_charts"), samples_of(folder, "data_charts")
    assert [row.id for row in one] == [row.id for row in other]
    step = rewriting("draw_chart", 1, DrawChart(seed=1).change)
    drawn = step.run([row for row in one if chart_of(row).language == "en"][:3])
    assert drawn == step.run([row for row in other if chart_of(row).language == "en"][:3])
    assert any(map(is_kept, drawn))


@pytest.mark.parametrize(
    "told", ["{}", "[1, 2]", "[]", "[{}]", '[{"Species": [1], "Island": {"a": 1}}]', "[[[[", '"a"']
)
def test_a_table_that_is_none_is_a_fault(tmp_path, told):
    (tmp_path / "penguins.json").write_text(told)
    source = Source(name="made", format="data_charts", path=str(tmp_path))
    rows = list(open_source(source))
    assert rows
    assert not any(isinstance(row, Sample) for row in rows)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("vl2.corpus.sources.packages.data.columns.MAX_TABLE_BYTES", 10)
    (tmp_path / "penguins.json").write_text("[" + " " * 20 + "]")
    with pytest.raises(RowError, match="too large"):
        read_table(Pictures(str(tmp_path)), "penguins.json")


def test_answers_follow_from_what_is_printed():
    chart = bars([10, 40, 25, 90], names=("A", "B", "C", "D"))
    told = dict(zip(chart.names, (10, 40, 25, 90), strict=True))
    found = turns_of(chart, seen(chart, printed=True))
    keys = {turn.key for turn in found}
    assert {"value", "largest", "smallest", "second", "difference", "sum", "total", "compare", "is_higher", "above",
            "count", "title"} <= keys  # fmt: skip
    for turn in found:
        named = [name for name in told if re.search(rf"\b{name}\b", turn.question) and name != "A"] + (
            ["A"] if re.search(r"\bA\b(?! )|for A\b|and A\b|than A\b|is A\b", turn.question) else [])  # fmt: skip
        values = sorted((told[name] for name in named), reverse=True)
        match turn.key:
            case "largest":
                assert turn.answer == "D"
            case "second":
                assert turn.answer == "B"
            case "smallest":
                assert turn.answer == "A"
            case "value" if len(values) == 1:
                assert turn.answer == str(values[0])
            case "difference" if len(values) == 2:
                assert turn.answer == str(values[0] - values[1])
            case "total":
                assert turn.answer == "165"
            case "count":
                assert turn.answer == "4"
            case "above":
                assert turn.answer == "1"


def test_sums_are_those_of_what_is_printed():
    chart = bars([0.1, 0.2, 0.7], names=("x", "y", "z"), digits=1)
    totals = {turn.answer for turn in turns_of(chart, seen(chart, printed=True)) if turn.key == "total"}
    assert totals == {"1.0"}


def test_what_does_not_show_is_not_asked():
    """Bars that differ by less than a reader sees are neither compared nor ranked, unless their values are printed."""
    close = CLEAR * 100 * 0.9
    chart = bars([50, 50 + close], digits=2)
    ranked = {"largest", "smallest", "compare", "is_higher", "difference", "value", "sum", "total"}
    assert not ranked & {turn.key for turn in turns_of(chart, seen(chart, printed=False))}
    assert {"compare", "value"} <= {turn.key for turn in turns_of(chart, seen(chart, printed=True))}


def test_a_value_on_a_tick_is_read_off_the_axis():
    chart = bars([50, 20, 90])
    found = {turn.answer for turn in turns_of(chart, seen(chart, printed=False)) if turn.key == "grid_value"}
    assert found == {"50"}


def test_colours_in_words_are_those_that_are_drawn():
    chart = Chart(kind="grouped", language="en", title="T", x_name="X", y_name="Y", names=("a", "b", "c"), digits=0,
                  series=tuple(Series(name=name, values=(30.0, 60.0, 90.0)) for name in ("one", "two")))  # fmt: skip
    for seed in range(6):
        look = pick_look(chart, random.Random(seed), ("dejavu",))
        drawn = draw(chart, look)
        pixels = np.asarray(Image.open(io.BytesIO(drawn.png)).convert("RGB")).reshape(-1, 3)
        for place, name in enumerate(drawn.colours):
            colour = [int(look.colours[place][0][start : start + 2], 16) for start in (1, 3, 5)]
            assert look.colours[place][1] == name
            assert (pixels == colour).all(axis=1).sum() > 200


def test_words_that_do_not_fit_make_a_fault():
    chart = bars([5, 6, 7], kind="pie", names=("word " * 40, "b", "c"), digits=1)
    with pytest.raises(RowError, match="words"):
        draw(chart, pick_look(chart, random.Random(0), ("dejavu",)))


@pytest.mark.parametrize(
    ("values", "from_zero", "ticks"),
    [
        ((3, 9), True, (0, 2, 4, 6, 8, 10)),
        ((-4, 6), True, (-4, -2, 0, 2, 4, 6)),
        ((20, 20), False, (20, 25)),
        ((315, 331), False, (315, 320, 325, 330, 335)),
    ],
)  # fmt: skip
def test_ticks_are_round_and_hold_all_values(values, from_zero, ticks):
    found = value_ticks(values, from_zero=from_zero, wanted=5, room=0.0)
    assert found.values == ticks
    assert found.low <= min(values)
    assert found.high >= max(values)


def test_lines_are_cut_between_words_and_never_behind_an_opening_bracket():
    lines = wrapped("one two three four", width_of("three four", "dejavu", 12), "dejavu", 12)
    assert " ".join(lines) == "one two three four"
    assert len(lines) > 1
    cut = wrapped("美国从业人数（人）", width_of("美国从业人数（", "dejavu", 12), "dejavu", 12)
    assert "".join(cut) == "美国从业人数（人）"
    assert not any(line.endswith("（") for line in cut)


def test_limits_of_bins_are_round_and_hold_all():
    edges = round_edges([2.0, 4.0, 11.0, 18.0, 20.0], 4)
    assert edges == [0.0, 5.0, 10.0, 15.0, 20.0]
    assert digits_for([0.25, 3.5]) == 2


def tabled():
    number = {"is_number": True}
    head = (TableCell(text="Town", height=2, is_header=True), TableCell(text="Rain & snow", width=2, is_header=True))
    years = (TableCell(text="2001", is_header=True), TableCell(text="2002", is_header=True))
    body = [
        (TableCell(text=name), TableCell(text=one, **number), TableCell(text=other, **number))
        for name, one, other in (("Ulm", "1,200", "0.1"), ("Bonn", "300", "0.2"), ("Kiel", "40", "0.4"))
    ]
    return Table(language="en", title="Weather", rows=(head, years, *body))


def row_of(table):
    return Sample("1", (), provenance={TABLE_FIELD: table_to_dict(table), "parents": [], "images": []})


def test_a_tables_html_is_its_grid():
    table = tabled()
    grid = read_grid(table.html())
    assert grid.is_whole
    assert grid.num_cells == 13
    assert grid.rows[0] == ("Town", "Rain & snow", "Rain & snow")
    assert grid.rows[2] == ("Ulm", "1,200", "0.1")
    drawn = TableCode().change(DrawTable().change(row_of(table)))
    assert drawn.messages[1].parts == (TextPart(table.html()),)
    assert Image.open(io.BytesIO(drawn.images[0].data)).size == (drawn.images[0].width, drawn.images[0].height)


def test_answers_about_tables_follow_from_their_cells():
    found = {pair for seed in range(60) for pair in ask_table(tabled(), random.Random(seed), 6)}
    answers = {}
    for question, answer in found:
        answers.setdefault(question, set()).add(answer)
    assert all(len(told) == 1 for told in answers.values())
    assert answers["What is the 2001, Rain & snow of Ulm?"] == {"1,200"}
    assert answers["What is the sum of the column 2002, Rain & snow?"] == {"0.7"}
    assert answers["Which town has the highest 2001, Rain & snow?"] == {"Ulm"}
    assert answers["How many columns does the table have?"] == {"3"}
    differences = {Decimal(answer.replace(",", "")) for question, answer in found if "difference" in question}
    assert differences <= {Decimal(value) for value in ("900", "1160", "260", "0.1", "0.3", "0.2")}
    assert differences


@pytest.mark.parametrize(
    "rows", [[], [[{"text": "a", "width": 2}], [{"text": "b"}]], [[{"text": "a", "height": 9}]], [["a"]]]
)
def test_cells_that_do_not_fit_together_are_a_fault(rows):
    row = Sample("1", (), provenance={TABLE_FIELD: {"language": "en", "title": "", "rows": rows}})
    with pytest.raises(VL2Error):
        DrawTable().change(row)


def test_excerpts_have_their_html_and_their_questions(folder):
    rows = [row for row in samples_of(folder, "data_tables") if row.provenance[TABLE_FIELD]["language"] == "en"][:12]
    assert len(rows) == 12
    assert any(cell["width"] > 1 for row in rows for line in row.provenance[TABLE_FIELD]["rows"] for cell in line)
    for row in rows:
        coded = TableCode().change(DrawTable().change(row))
        assert len(questions_of(coded)) == 1
    asked = [DrawTable(answer="questions").change(row) for row in rows[:4]]
    assert all(3 <= len(questions_of(row)) <= 6 and row.answers for row in asked)


def test_any_number_of_workers_gives_the_same_bytes(folder, tmp_path):
    only = tmp_path / "in"
    only.mkdir()
    (only / "iowa-electricity.csv").write_bytes((folder / "iowa-electricity.csv").read_bytes())
    manifests = []
    for workers in (1, 2):
        recipe = Recipe(
            out=str(tmp_path / f"out{workers}"), block_rows=60, write=("webdataset",),
            sources=(Source(name="made", format="data_charts", path=str(only)),),
            steps=({"use": "share", "share": 0.1}, {"use": "draw_chart"}, {"use": "exact"}),
        )  # fmt: skip
        run_recipe(recipe, LocalExecutor(workers), lambda *_: None)
        manifests.append((tmp_path / f"out{workers}" / "webdataset" / "manifest.jsonl").read_bytes())
    assert manifests[0] == manifests[1]
    assert b"tar" in manifests[0]


@pytest.mark.skipif(not HAS_NOTO, reason="fonts-noto-cjk is not installed")
def test_every_chinese_word_has_its_glyphs():
    file = face_file("noto")
    known = get_font(FontPath(file.path, file.index)).get_charmap()
    place = Path(data.__file__ or "").parent
    chart = place.parents[2] / "drawing" / "chart"
    files = [place / "names.yaml", place / "tables.yaml", chart / "wording.yaml", chart / "look.py"]
    told = {character for file in files for character in file.read_text(encoding="utf-8") if character > "\x7f"}
    assert not [character for character in told if ord(character) not in known]


@pytest.mark.skipif(not VEGA.is_dir(), reason="vega-datasets is not installed")
def test_the_package_has_the_columns_that_are_described():
    names = [name for name in sorted(file.name for file in VEGA.iterdir()) if table_kind(name) is not None]
    assert len(names) > 20
    assert all(read_table(Pictures(str(VEGA)), name).num_rows > 20 for name in names)
