"""Credits worked out by hand."""

from __future__ import annotations

import pytest

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Message, Sample, TextPart
from vl2.corpus.pocket import write_shards
from vl2.evaluation.credits import credit_of, gold_boxes, line_share, near_number
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.pocketbench import Outcome, summarise
from vl2.evaluation.tasks import TASKS
from vl2.evaluation.tasks.pocketbench import ask, score

BOX, OTHER = Box(100, 100, 300, 300), Box(600, 600, 900, 900)


def grounding(*boxes: Box) -> Sample:
    part = BoxesPart("the star", boxes) if boxes else TextPart("There is no star.")
    return Sample("s", (Message("user", ()), Message("assistant", (part,))))


def said(*boxes: list[int]) -> str:
    return f"<|ref|>the star<|/ref|><|det|>{list(boxes)}<|/det|>"


@pytest.mark.parametrize(
    ("sample", "spoken", "expected"),
    [
        (grounding(BOX), said([110, 100, 310, 300]), 1.0),
        (grounding(BOX), said([200, 200, 400, 400]), 0.0),  # a quarter of each: IoU 1/7
        (grounding(BOX, OTHER), said([100, 100, 300, 300]), 0.0),  # one is missing
        (grounding(BOX, OTHER), said([600, 600, 900, 900], [100, 100, 300, 300]), 1.0),
        (grounding(BOX, OTHER), said([100, 100, 300, 300], [100, 100, 300, 300]), 0.0),  # the same one twice
        (grounding(), "There is no star.", 1.0),
        (grounding(), said([100, 100, 300, 300]), 0.0),
        (grounding(BOX), "There is no star.", 0.0),
    ],
)
def test_boxes_count_when_each_finds_its_own(sample, spoken, expected):
    assert credit_of("ground.one", (), gold_boxes(sample), spoken) == expected


def test_text_counts_letter_by_letter():
    accepted = ("the red circle", "red circle")
    assert credit_of("shapes.compare", accepted, (), "red circle") == 1.0
    assert credit_of("shapes.compare", accepted, (), "Red circle") == 0.0


def test_lines_count_in_their_places():
    assert line_share("a\nb\nx", ["a\nb\nc"]) == pytest.approx(2 / 3)
    assert line_share("b\nc", ["a\nb\nc"]) == 0.0
    assert line_share("a\nb\nc\nd", ["a\nb\nc"]) == pytest.approx(3 / 4)


def test_a_value_read_off_an_axis_may_be_five_off():
    assert [near_number(text, ["40"]) for text in ("35", "34", "45%", "many")] == [1.0, 0.0, 1.0, 0.0]


def test_scores_come_with_their_interval():
    outcomes = [Outcome(kind="word", sample_id=str(i), gold="", said="", credit=float(i < 8)) for i in range(10)]
    (score,) = summarise(outcomes)
    assert (score.num_questions, score.score) == (10, 0.8)
    assert (score.low, score.high) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))


def test_it_is_a_task_like_any_other(tmp_path):
    write_shards(tmp_path / "heldout", "ground", 6, seed=1, split="heldout", shard_size=6, workers=1)
    rows = list(open_rows(TASKS["pocketbench"], tmp_path / "heldout"))
    assert len(rows) >= 6 and all(row.category.startswith("ground.") for row in rows)
    for row in rows:
        assert ask(row).messages[-1].role == "user"
        boxes = [list(box.thousandths()) for box in row.fields["boxes"]]
        gold = f"<|ref|>x<|/ref|><|det|>{boxes}<|/det|>" if boxes else "There is none."
        assert score(row, gold, "canonical").credit == 1.0
        assert score(row, "", "canonical").state == "unparsed"
