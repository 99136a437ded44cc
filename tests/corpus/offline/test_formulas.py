"""Formulas of documentation: found in pages, in parts, put together, drawn or rejected with the reason."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import pytest

from vl2.core.sample import Sample
from vl2.corpus.drawing.formula import DrawFormula
from vl2.corpus.ingest import ingest
from vl2.corpus.pipelines.transcribe import Transcribe
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.documents.formulas import formulas_of
from vl2.corpus.sources.table import open_source
from vl2.corpus.sources.wordings import FORMULA, asked
from vl2.corpus.step import text_of
from vl2.data.faults import RowError
from vl2.processor import open_image

SPLIT = r"\begin{split}\begin{aligned} y & = a + \frac{b_1 + c}{d_2 - e}\\ z & = f(x) \end{aligned}\end{split}"


def page(*formulas: str) -> str:
    marked = (rf'<span class="math notranslate nohighlight">\({html.escape(one)}\)</span>' for one in formulas)
    shown = f'<div class="math notranslate nohighlight">\n\\[{html.escape(SPLIT)}\\]</div>'
    return f"<html><body><p>Here {' and '.join(marked)}.</p>{shown}</body></html>"


def row(formula: str) -> Sample:
    return ingest(Sample("0", asked(FORMULA, formula, 0)), Source(name="made", path="made"))


def test_formulas_are_found_whole_in_lines_in_parts_and_joined():
    found = dict(formulas_of(page(r"a < b", r"\hat{\beta}_{k}"), "a.html"))
    assert found["a < b"] == found[r"\hat{\beta}_{k}"] == "written"
    assert found[r"y = a + \frac{b_1 + c}{d_2 - e}"] == found["z = f(x)"] == "part"
    assert found["b_1 + c"] == found["d_2 - e"] == found[r"a + \frac{b_1 + c}{d_2 - e}"] == "part"
    joined = [formula for formula, made in found.items() if made == "joined"]
    assert joined and all(any(part in one for part in (r"\hat{\beta}_{k}", "b_1", "a < b")) for one in joined)
    assert found == dict(formulas_of(page(r"a < b", r"\hat{\beta}_{k}"), "a.html"))


@pytest.mark.parametrize("broken", [r"\{ a = b", r"f( x = y", r"\left( u_{1} = v_{1} \right"])
def test_no_part_is_cut_within_brackets(broken):
    assert all(made == "written" for formula, made in formulas_of(page(broken)[:-200], "a.html") if broken in formula)
    parts = [formula for formula, made in formulas_of(page(broken), "b.html") if made == "part"]
    assert all(one.count("(") == one.count(")") and one.count(r"\{") == one.count(r"\}") for one in parts)


def test_a_page_without_an_end_takes_no_time():
    assert formulas_of('<span class="math">\\(' * 20_000, "a.html") == []


def test_a_folder_of_pages_becomes_formulas_that_are_drawn(tmp_path: Path):
    (tmp_path / "a.html").write_text(page(r"\sum_{i=1}^{n} x_i^2"), encoding="utf-8")
    (tmp_path / "b.html").write_text(page(r"\alpha \leq 1"), encoding="utf-8")
    source = Source(name="docs", path=str(tmp_path), format="formulas_in_docs", licence="BSD-3-Clause")
    (files,) = open_source(source).files
    rows = [sample for piece in range(len(files.piece_rows)) for sample in files.read(piece)]
    assert [type(one) for one in rows] == [Sample] * len(rows)
    drawn = [Transcribe(kind="latex").change(DrawFormula().change(ingest(one, source))) for one in rows]
    assert {text_of(one, ("assistant",)) for one in drawn} >= {r"\sum_{i=1}^{n} x_i^2", r"\alpha \leq 1", "z = f(x)"}
    assert all(open_image(one.images[0]).size == (one.images[0].width, one.images[0].height) for one in drawn)


def test_what_is_drawn_stands_within_its_margins_and_falls_the_same_again():
    one, again = (DrawFormula(seed=3).change(row(r"\frac{a}{b}")) for _ in range(2))
    assert one == again
    assert one.images[0].data != DrawFormula(seed=4).change(row(r"\frac{a}{b}")).images[0].data
    pixels = np.asarray(open_image(one.images[0]).convert("L"), int)  # [H, W]
    edge = np.concatenate([pixels[:4].ravel(), pixels[-4:].ravel(), pixels[:, :4].ravel(), pixels[:, -4:].ravel()])
    assert edge.min() == edge.max() and np.abs(pixels - edge[0]).max() > 100


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        (r"\begin{pmatrix} a & b \end{pmatrix}", "signs that mathtext draws otherwise"),
        (r"\underbrace{a}", r"does not know \\underbrace"),
        (r"a % b", "signs that mathtext draws otherwise"),
        ("\u4e2d", "signs that mathtext draws otherwise"),
        (r"x > 0 if y = 1", "words that are set as if they were variables"),
        (r"\frac{a", "mathtext cannot read it"),
        ("{" * 390, "mathtext cannot read it"),
        ("a" * 401, "too long"),
        (r"\quad", "leaves no ink"),
    ],
)
def test_what_mathtext_cannot_draw_is_told(formula, reason):
    with pytest.raises(RowError, match=reason):
        DrawFormula().change(row(formula))


def test_words_in_roman_are_no_variables():
    assert DrawFormula().change(row(r"\text{if } x > 0")).images


def test_a_wide_formula_is_drawn_smaller_and_one_too_wide_goes():
    wide = " + ".join(["x_{11}"] * 40)
    settings = DrawFormula(least_size=4.0, most_size=44.0, most_width=700, most_margin=10)
    assert (settings.change(row(wide)).images[0].width or 0) <= 740
    with pytest.raises(RowError, match="too wide for one line"):
        DrawFormula(least_size=40.0, most_width=700).change(row(wide))


def test_the_real_package_has_formulas():
    place = Path("/usr/share/doc/python-skimage-doc/html")
    if not place.is_dir():
        pytest.skip("the Debian package python-skimage-doc is not installed")
    files = open_source(Source(name="docs", path=str(place), format="formulas_in_docs")).files
    assert sum(int(file.piece_rows.sum()) for file in files) > 30
