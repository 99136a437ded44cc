"""The pipelines without a teacher keep order, grids, boxes, words and shares; what does not hold goes."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.pipelines.png import png
from tests.corpus.pipelines.untaught import answered, image, plots, web
from vl2.core.errors import VL2Error
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Sample, SceneObject, TextPart
from vl2.corpus.ingest import ingest
from vl2.corpus.pipelines import read_text, web_code
from vl2.corpus.pipelines.align import Align
from vl2.corpus.pipelines.interleave import Interleave, Share, to_turns
from vl2.corpus.pipelines.likeness import likeness
from vl2.corpus.pipelines.plot_code import PlotCode
from vl2.corpus.pipelines.tables import DocumentQuestions, check_table
from vl2.corpus.pipelines.text_only import TextOnly, with_final_answer
from vl2.corpus.pipelines.transcribe import check_latex
from vl2.corpus.pipelines.web_code import WebCode, text_agreement
from vl2.corpus.pipelines.worsen import Worsen
from vl2.corpus.pocket.draw import draw
from vl2.corpus.sandbox.page import Shown, find_browser
from vl2.corpus.sandbox.run import run_code
from vl2.corpus.source import Source
from vl2.corpus.step import is_kept
from vl2.corpus.steps import STEPS
from vl2.data.faults import RowError
from vl2.processor import image_size, open_image

SOURCE = Source(name="obelics", path="", licence="MIT")
PIECES = st.lists(st.sampled_from(["i", " ", "a b", "c"]), max_size=14)


@given(PIECES)
def test_documents_keep_their_order_and_every_text_after_a_picture_is_learned(pieces):
    parts = [ImagePart() if piece == "i" else TextPart(piece) for piece in pieces]
    messages = to_turns(parts)
    laid = [part for message in messages for part in message.parts]
    words = [part for part in parts if not isinstance(part, TextPart) or part.text.strip()]
    laid_words = [part for part in laid if not isinstance(part, TextPart) or part.text.strip()]
    last_text = max((n for n, part in enumerate(words) if isinstance(part, TextPart)), default=-1)
    told = words[: last_text + 1]
    assert laid_words == (told if ImagePart() in told else [])
    assert [m.role for m in messages] == ["user", "assistant"] * (len(messages) // 2)
    assert all(any(isinstance(p, ImagePart) for p in m.parts) for m in messages[::2])
    assert not any(isinstance(p, ImagePart) for m in messages[1::2] for p in m.parts)


def test_documents_beyond_the_limits_go():
    row = ingest(answered(1, "one two three four five six", "seven eight nine ten", image(1)), SOURCE)
    made = Interleave().change(replace(row, images=row.images))
    assert len(made.images) == 1
    for settings, reason in ((Interleave(least_images=2), "pictures"), (Interleave(least_words=11), "words"),
                             (Interleave(most_words=9), "words")):  # fmt: skip
        with pytest.raises(RowError, match=reason):
            settings.change(row)
    with pytest.raises(RowError, match="match their places"):
        Interleave().change(replace(row, images=()))


def test_thirty_percent_of_a_source_by_hash_wherever_its_rows_stand():
    rows = [Sample(str(n), (), provenance={"source": "obelics", "source_id": f"doc-{n}"}) for n in range(20_000)]
    settings = Share(share=0.3, source="obelics")
    kept = {row.id for row in rows if settings.find_reason(row) is None}
    assert abs(len(kept) / len(rows) - 0.3) < 0.01
    assert kept == {row.id for row in reversed(rows) if settings.find_reason(row) is None}
    smaller = {row.id for row in rows if Share(share=0.1).find_reason(row) is None}
    assert smaller < kept  # a smaller share is part of a larger one
    assert Share(share=0.0, source="other").find_reason(rows[0]) is None


def test_alignment_has_every_picture_in_the_first_question():
    row = ingest(answered(1, "What?", "A thing.", image(1)), SOURCE)
    made = Align().change(row)
    assert made.messages[0].parts == (ImagePart(), TextPart("\nWhat?"))
    for wrong in (replace(row, images=(*row.images, *row.images)), replace(row, images=()), replace(row, messages=())):
        with pytest.raises(RowError):
            Align().change(wrong)


@pytest.mark.parametrize("formula", [r"\frac{1}{2}", r"\{ x \}", r"\begin{matrix} a \\ b \end{matrix}",
                                     r"\left( \frac{a}{b} \right)", r"\leftarrow x", "x"])  # fmt: skip
def test_formulas_that_are_whole(formula):
    check_latex(formula)


@pytest.mark.parametrize("formula", [r"\frac{1}{2", "}{", r"\begin{matrix} a", r"\begin{a}\end{b}", r"\left( x",
                                     r"\end{a}\begin{a}"])  # fmt: skip
def test_formulas_that_are_not(formula):
    with pytest.raises(RowError, match="pair"):
        check_latex(formula)


TABLES = {
    "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>": 4,
    '<table><tr><td rowspan="2">a</td><td>b</td></tr><tr><td>c</td></tr></table>': 3,
    '<table><thead><tr><th colspan="3">a</th></tr></thead><tr><td>b</td><td colspan=2>c</td></tr></table>': 3,
    '<table><tr><td rowspan="2" colspan="2">a</td><td>b</td></tr><tr><td>c</td></tr></table>': 3,
}
BROKEN = [
    "",
    "<p>a</p>",
    "<table></table>",
    "<table><td>a</td></table>",
    "<table><tr><td>a</td></tr><tr><td>b</td><td>c</td></tr></table>",
    '<table><tr><td rowspan="2">a</td><td>b</td></tr></table>',
    "<table><tr><td>a</td></tr></table><table></table>",
    '<table><tr><td rowspan="3">a</td><td>b</td></tr><tr><td>c</td></tr></table>',
    '<table><tr><td colspan="99">a</td></tr><tr><td>b</td></tr></table>',
]


@pytest.mark.parametrize("html", TABLES)
def test_tables_that_fill_their_grid(html):
    assert check_table(html) == TABLES[html]


@pytest.mark.parametrize("html", BROKEN)
def test_tables_that_do_not(html):
    with pytest.raises(RowError):
        check_table(html)


def test_questions_that_a_page_does_not_answer_go_and_the_pictures_stay():
    row = answered(1, "Who?", "It is unanswerable.", image(1))
    more = answered(2, "When?", "In 1984.").messages
    made = DocumentQuestions().change(replace(row, messages=(*row.messages, *more)))
    assert made.messages[0].parts == (ImagePart(), TextPart("\nWhen?")) and len(made.messages) == 2
    for said in ("The year is not specified in the document.", "```python\nx\n```", "x" * 3000):
        with pytest.raises(RowError, match="can be answered"):
            DocumentQuestions().change(answered(1, "Who?", said, image(1)))


def test_final_answers_stand_last():
    assert with_final_answer("2 + 2 = <<2+2=4>>4\n#### 4") == "2 + 2 = 4\nAnswer: 4"
    assert with_final_answer("So it is.\nThe answer is: 7") == "So it is.\nAnswer: 7"
    assert with_final_answer(r"Thus \boxed{12}.") == "Thus \\boxed{12}.\nAnswer: 12"
    assert with_final_answer("一共三只。\n#### 3") == "一共三只。\n答案：3"
    assert with_final_answer("Just text #### in it") == "Just text #### in it"
    with pytest.raises(RowError, match="pictures"):
        TextOnly().change(answered(1, "a", "b", image(1)))


def test_a_picture_is_like_itself_and_unlike_others():
    one, other = draw("chart", "train", 0, 0).images[0], draw("shapes", "train", 0, 3).images[0]
    assert likeness(one, one) == pytest.approx(1.0) and likeness(one, other) < 0.7


def test_all_kept_plot_code_runs_and_draws_its_picture():
    rows = [ingest(row, SOURCE) for row in plots()]
    made = []
    for row in rows:
        try:
            made.append(PlotCode().change(row))
        except RowError as error:
            made.append(str(error))
    kept = [row for row in made if isinstance(row, Sample)]
    assert len(kept) == 2 and all(row.quality["plot_code.likeness"] > 0.99 for row in kept)
    for row in kept:
        code = row.messages[1].parts[0].text.removeprefix("```python\n").removesuffix("\n```")
        assert not run_code(code).problem
    reasons = [reason for reason in made if isinstance(reason, str)]
    assert ["another picture" in reasons[0], "PermissionError" in reasons[1], "few lines" in reasons[2]] == [True] * 3
    taken = PlotCode(likeness=0.0).change(replace(rows[0], images=()))
    assert image_size(taken.images[0]) == (400, 300)
    with pytest.raises(RowError, match="several pictures"):
        code = (
            "import matplotlib.pyplot as plt\nfor n in range(2):\n    plt.figure()\n    plt.plot([n, 2])\nplt.show()\n"
        )
        PlotCode(likeness=0.0).change(answered(1, "Code?", code, image(1)))


def test_pages_are_compared_by_their_words(monkeypatch):
    assert text_agreement("one two three", "One, two - three!") == 1.0 and text_agreement("a b", "c d") == 0.0
    row = ingest(web()[0], SOURCE)
    shown = Shown(b"", "Shop 0 Open from 0 to 18.")
    monkeypatch.setattr(web_code, "find_browser", lambda: "chromium")
    monkeypatch.setattr(web_code, "show_page", lambda html, size: shown)
    made = WebCode().change(row)
    assert made.messages[1].parts[0].text.startswith("```html\n<html>")
    monkeypatch.setattr(web_code, "show_page", lambda html, size: replace(shown, text="Access denied"))
    with pytest.raises(RowError, match="another text"):
        WebCode().change(row)
    monkeypatch.setattr(web_code, "find_browser", lambda: None)
    WebCode().change(row)
    with pytest.raises(RowError, match="no browser"):
        WebCode(browser="required").change(row)
    with pytest.raises(RowError, match="without the text of its picture"):
        WebCode().change(replace(row, provenance={**row.provenance, "ocr": ["quite another page"]}))
    with pytest.raises(RowError, match="without text"):
        WebCode().change(answered(1, "a", "<div><img src=x></div>", image(1)))


@pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
def test_a_page_is_shown_in_its_picture():
    made = WebCode(picture="shown", width=320, height=200).change(ingest(web()[0], SOURCE))
    assert open_image(made.images[0]).size == (320, 200)


def rows_with_boxes() -> list[Sample]:
    return [ingest(draw("ground", "train", 2, number), SOURCE) for number in range(25)]


@pytest.mark.parametrize("kind", ["blur", "noise", "jpeg", "low_light", "resample"])
def test_worse_pictures_keep_all_in_its_place(kind):
    for row in rows_with_boxes()[:4]:
        made = Worsen(share=1.0, kinds=(kind,)).change(row)
        assert image_size(made.images[0]) == image_size(row.images[0]) and made.images[0].data != row.images[0].data
        assert (made.messages, made.objects) == (row.messages, row.objects)
        assert made == Worsen(share=1.0, kinds=(kind,)).change(row)


def test_boxes_follow_a_turned_picture():
    """A box drawn in a colour of its own is still within the box after the turn."""
    for seed in range(8):
        pixels = np.full((120, 160, 3), 255, np.uint8)
        pixels[30:60, 40:90] = (255, 0, 0)
        box = (40, 30, 90, 60)
        row = answered(1, "Where?", "there", ImageSource(data=png(pixels)))
        row = replace(ingest(row, SOURCE), objects=(SceneObject("patch", box),))
        made = Worsen(share=1.0, kinds=("rotation",), most_level=5, seed=seed).change(row)
        levels = np.asarray(open_image(made.images[0]), int)
        rows, columns = np.nonzero((levels[..., 0] > 200) & (levels[..., 1] < 90))
        x1, y1, x2, y2 = made.objects[0].box
        assert columns.min() >= x1 - 1.5 and columns.max() <= x2 + 0.5
        assert rows.min() >= y1 - 1.5 and rows.max() <= y2 + 0.5
        assert abs(columns.min() - x1) < 3 and abs(rows.max() + 1 - y2) < 3  # and it is no larger than needed


def test_a_share_gets_worse_and_frames_move_boxes():
    rows = rows_with_boxes()
    worse = [Worsen(share=0.4, seed=seed).change(row) is not row for row in rows for seed in range(8)]
    assert 0.28 < sum(worse) / len(worse) < 0.52
    moved = [Worsen(share=1.0, kinds=("frame",)).change(row) for row in rows]
    changed = [(old, new) for old, new in zip(rows, moved, strict=True) if new is not old]
    assert changed and all(new.messages != old.messages or new.images != old.images for old, new in changed)
    boxes = [part for _, new in changed for turn in new.messages for part in turn.parts if isinstance(part, BoxesPart)]
    assert all(box.x1 < box.x2 for part in boxes for box in part.boxes)


@pytest.mark.parametrize("step", ["locate", "marked", "gui", "worsen", "share", "tokens"])
def test_what_becomes_of_a_row_does_not_depend_on_its_block(step):
    rows = rows_with_boxes()
    kind = STEPS[step]
    settings = kind.settings(**({"share": 0.5} if step == "share" else {}))
    whole = kind.build(settings).run(rows)
    alone = [kind.build(settings).run([row])[0] for row in rows]
    assert whole == alone and len({row.id for row in whole}) == len(rows)


def test_an_engine_reads_what_no_row_brings_along(monkeypatch):
    asked: list[tuple[int, ...]] = []

    class RapidOCR:
        def __init__(self, params):
            assert params["EngineConfig.onnxruntime.intra_op_num_threads"] == 2

        def __call__(self, pixels):
            asked.append(pixels.shape)
            return SimpleNamespace(txts=("OPEN", "blur"), scores=(0.9, 0.2))

    module = ModuleType("rapidocr")
    module.RapidOCR = RapidOCR
    monkeypatch.setitem(sys.modules, "rapidocr", module)
    read_text._engine.cache_clear()
    row = ingest(answered(1, "a", "b", image(1)), SOURCE)
    told = replace(row, provenance={**row.provenance, "ocr": ["known"]})
    step = read_text.reading_by("read_text", 1, read_text.ReadText(threads=2))
    made = step.run([row, told, replace(row, images=(ImageSource(data=b"\x89PNG\r\n\x1a\nbroken"),))])
    assert [one.provenance.get("ocr") for one in made] == [["OPEN"], ["known"], None]
    assert not is_kept(made[2]) and made[0].id == row.id and len(asked) == 1
    read_text._engine.cache_clear()
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(VL2Error, match="needs rapidocr"):
        step.run([row])
    read_text._engine.cache_clear()
