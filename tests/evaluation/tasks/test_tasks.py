"""Every benchmark is read from each of its true formats, asked and scored; prompts are the recorded ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.synthetic import FILES, TSV, WRITERS
from vl2.core.errors import VL2Error
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.prompt_cases import rendered, run_prompt_cases
from vl2.evaluation.task import Scored
from vl2.evaluation.tasks import TASKS, find_task

PROMPTS = Path(__file__).parents[1] / "fixtures" / "prompt_cases.jsonl"


def rows_of(format_: str, name: str, folder: Path):
    return list(open_rows(TASKS[name], WRITERS[format_](folder, name)))


def headline(task, rows, answers) -> float:
    """Return the score of these answers: the sum over parts of scale times mean."""
    rule = next(iter(task.profiles.values()))
    scored = [Scored(row=row, said=said, verdict=task.score(row, said, rule.dialect))
              for row, said in zip(rows, answers, strict=True)]  # fmt: skip
    parts: dict[str, list[float]] = {}
    for count in task.count(scored):
        value, weight = parts.setdefault(count.part, [0.0, 0.0])
        parts[count.part] = [value + count.value, weight + count.weight]
    return sum(task.scale * value / weight for value, weight in parts.values())


def gold_answer(task, row) -> str:
    if row.box is not None:
        image = row.images[0]
        corners = [round(c / s * 999) for c, s in zip(row.box, (image.width, image.height) * 2, strict=True)]
        return f"<|ref|>{row.question}<|/ref|><|det|>[{corners}]<|/det|>"
    return row.answers[0]


@pytest.mark.parametrize("format_, name", FILES)
def test_a_task_is_read_asked_and_scored(format_, name, tmp_path):
    task = TASKS[name]
    rows = rows_of(format_, name, tmp_path)
    assert rows and len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert row.images and row.question and (row.answers or row.box)
        for profile, rule in task.profiles.items():
            sample = rule.ask(row)
            assert sample.messages[-1].role == "user" and sample.images, profile
            text = rendered(sample.messages[-1])
            assert text.count("<image>") == len(sample.images)
    best = headline(task, rows, [gold_answer(task, row) for row in rows])
    assert best == pytest.approx(200.0 if name == "mme" else task.scale), "the gold answers get all there is"
    assert headline(task, rows, ["" for _ in rows]) == 0
    assert all(task.score(row, "", "canonical").state == "unparsed" for row in rows)


def test_the_recorded_prompts():
    report = run_prompt_cases(PROMPTS)
    assert not report.mismatches, "\n".join(map(str, report.mismatches))
    assert report.passed == 17


def test_all_seventeen_benchmarks_are_there():
    titles = {task.title for task in TASKS.values()}
    assert {"DocVQA", "ChartQA", "InfoVQA", "TextVQA", "RealWorldQA", "OCRBench", "AI2D", "AI2D without masks", "MMMU",
            "MMStar", "MathVista", "MME", "MMBench en", "MMBench cn", "MMBench-V1.1 en", "MMBench-V1.1 cn",
            "MMT-Bench", "RefCOCO", "RefCOCO+", "RefCOCOg"} == titles  # fmt: skip
    with pytest.raises(VL2Error, match="Did you mean 'docvqa'"):
        find_task("docvqs")


def test_infovqa_is_shown_in_more_tiles():
    assert {rule.max_tiles for rule in TASKS["infovqa"].profiles.values()} == {18}


def test_rotations_count_as_one_question(tmp_path):
    task = TASKS["mmbench_en"]
    rows = rows_of("tsv", "mmbench_en", tmp_path)
    assert headline(task, rows, ["B", "A"]) == 100
    assert headline(task, rows, ["B", "B"]) == 0


def test_an_image_of_mme_counts_when_both_questions_are_right(tmp_path):
    task = TASKS["mme"]
    rows = rows_of("tsv", "mme", tmp_path)
    assert headline(task, rows, ["Yes", "No"]) == 200
    assert headline(task, rows, ["Yes", "Yes"]) == 50


def test_an_expression_is_a_row_of_its_own(tmp_path):
    rows = rows_of("parquet", "refcoco", tmp_path)
    assert [row.question for row in rows] == ["red square", "the square"]
    assert rows[0].box == (8, 8, 41, 41) and rows[0].group == rows[1].group


def test_shares_and_pixels_are_told_apart(tmp_path):
    first, second = rows_of("tsv", "refcoco", tmp_path)
    assert first.box == pytest.approx((8, 8, 40.96, 40.96)) and second.box == (8, 8, 41, 41)


def test_mmmu_shows_its_first_image_enlarged(tmp_path):
    row = rows_of("parquet", "mmmu", tmp_path)[0]
    shown = TASKS["mmmu"].profiles["vlmevalkit"].ask(row).images[0]
    assert (shown.width, shown.height) == (128, 128)


def test_an_image_of_another_row_is_found(tmp_path):
    first, second = rows_of("tsv", "docvqa", tmp_path)
    assert first.images == second.images


def test_an_image_further_down_is_found_too(tmp_path, monkeypatch):
    monkeypatch.setitem(TSV, "docvqa", [{**TSV["docvqa"][1], "index": 5, "image": "0"}, TSV["docvqa"][0]])
    first, second = rows_of("tsv", "docvqa", tmp_path)
    assert first.images == second.images
