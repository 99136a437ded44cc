"""Wrong answers are shown with their pictures and boxes, of every kind, within bounds."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.synthetic import write_tsv
from vl2.core.boxes import Box
from vl2.core.sample import ImageSource
from vl2.evaluation.report import wrong
from vl2.evaluation.report.labels import Labels
from vl2.evaluation.results import Results
from vl2.evaluation.row import Row
from vl2.evaluation.summary import ScoredLine, Summary

SUMMARY = Summary(
    task="docvqa", title="DocVQA", metric="ANLS", profile="vlmevalkit", dialect="vlmevalkit", model="pocket",
    fingerprint="", activated_parameters=None, num_rows=1, score=0.0, low=0.0, high=0.0, standard_error=0.0,
    unparsed=0.0, errors=0.0,
)  # fmt: skip


def line(name: str, **changed) -> ScoredLine:
    values = {"id": name, "group": "", "category": "", "question": "", "answers": (), "said": "", "parsed": "",
              "credit": 0.0, "state": "wrong", "num_images": 1}  # fmt: skip
    return ScoredLine(**{**values, **changed})


def image(width: int = 200, height: int = 100) -> ImageSource:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(stream, "PNG")
    return ImageSource(data=stream.getvalue(), width=width, height=height)


def outlines(monkeypatch, row: Row, shown: ScoredLine) -> list[tuple[int, int, int, int]]:
    """Return where the green and the red outline lie in the thumbnail."""
    monkeypatch.setattr(wrong, "open_rows", lambda task, path, split: iter([row]))
    (answer,) = wrong.wrong_answers(Results(summary=SUMMARY, scale=100.0, lines=[shown], counts=[])).answers
    picture = Image.open(io.BytesIO(base64.b64decode(answer.pictures[-1].partition(",")[2])))
    pixels = np.asarray(picture.convert("RGB"), dtype=np.int16)  # [Y, X, 3]
    found = []
    for strong, weak in ((1, 0), (0, 1)):
        ys, xs = np.nonzero(pixels[..., strong] - pixels[..., weak] > 60)
        found.append((int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())))
    return found


def test_boxes_in_pixels_are_drawn(monkeypatch):
    row = Row(id="0", images=(image(),), question="", box=(20, 10, 80, 60))
    shown = line("0", box=row.box, parsed="120, 30, 180, 90")
    assert np.allclose(outlines(monkeypatch, row, shown), [(20, 10, 80, 60), (120, 30, 180, 90)], atol=2)


def test_boxes_that_are_written_are_drawn_on_the_last_image(monkeypatch):
    row = Row(id="0", images=(image(50, 50), image()), question="", fields={"boxes": (Box(100, 100, 400, 600),)})
    shown = line("0", said="<|ref|>x<|/ref|><|det|>[[600, 300, 900, 900]]<|/det|>", num_images=2)
    assert np.allclose(outlines(monkeypatch, row, shown), [(20, 10, 80, 60), (120, 30, 180, 90)], atol=2)


def test_every_state_and_category_has_its_turn():
    lines = [line(str(n), category="common") for n in range(100)]
    lines += [line("rare", category="rare"), line("unread", category="common", state="unparsed")]
    shown = wrong.spread(lines, 10)
    assert [one.id for one in shown] == [*"01234567", "rare", "unread"], "in the order of the run"
    assert wrong.spread(lines[:3], 10) == lines[:3]


def test_number_and_bytes_are_bounded(monkeypatch, tmp_path):
    path = write_tsv(tmp_path, "docvqa")
    lines = [line(str(n)) for n in range(100)]
    run = Results(summary=Summary(**{**vars(SUMMARY), "data": str(path)}), scale=100.0, lines=lines, counts=[])
    found = wrong.wrong_answers(run)
    assert (len(found.answers), found.num_wrong, found.problem) == (wrong.MOST_WRONG, 100, "")
    assert any(answer.pictures for answer in found.answers)
    monkeypatch.setattr(wrong, "MOST_BYTES", 100)
    assert not any(answer.pictures for answer in wrong.wrong_answers(run).answers)


def test_a_broken_image_is_an_answer_without_picture(monkeypatch):
    row = Row(id="0", images=(ImageSource(data=b"broken"),), question="")
    monkeypatch.setattr(wrong, "open_rows", lambda task, path, split: iter([row]))
    found = wrong.wrong_answers(Results(summary=SUMMARY, scale=100.0, lines=[line("0")], counts=[]))
    assert (found.answers[0].pictures, found.problem) == ((), "")


@pytest.mark.parametrize("parsed", ["", "1,2,3", "1,2,3,x", "nan,1,2,3", "inf,-inf,1,2", "9" * 5000 + ",1,2,3"])
def test_any_parsed_text_can_be_drawn(monkeypatch, parsed):
    row = Row(id="0", images=(image(),), question="", box=(20, 10, 80, 60))
    monkeypatch.setattr(wrong, "open_rows", lambda task, path, split: iter([row]))
    shown = line("0", box=row.box, parsed=parsed)
    assert wrong.wrong_answers(Results(summary=SUMMARY, scale=100.0, lines=[shown], counts=[])).answers[0].pictures


def test_labels_do_not_lie_on_each_other():
    points = [(100.0 + n, 100.0) for n in range(8)]
    labels = Labels(points, 640, 300)
    placed = [labels.place(f"model {n}", x, y, always=n < 2) for n, (x, y) in enumerate(points)]
    areas = [label.area for label in placed if label is not None]
    assert placed[0] and placed[1] and len(areas) >= 4
    for n, (x1, y1, x2, y2) in enumerate(areas):
        assert x1 >= 0 and x2 <= 640 and y1 >= 0 and y2 <= 300
        assert all(x2 <= a or c <= x1 or y2 <= b or d <= y1 for a, b, c, d in areas[n + 1 :])
