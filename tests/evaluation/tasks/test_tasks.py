"""Every benchmark is read from each of its true formats, asked and scored; prompts are the recorded ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation.synthetic import FILES, PARQUET, TSV, WRITERS, coded, picture
from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation import pocketbench
from vl2.evaluation.answerers.answerer import text_of
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.prompt_cases import run_prompt_cases
from vl2.evaluation.task import Scored
from vl2.evaluation.tasks import TASKS, find_task
from vl2.processor.enlarge import enlarge

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
            text = text_of(sample.messages[-1])
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
    titles = {task.title for task in TASKS.values()} - {"Pocketbench"}  # that one is our own
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


def row_of(name: str, **record):
    """Return the row of one record of the hub."""
    return next(iter(TASKS[name].rows["parquet"]({**PARQUET[name][0], "image": None, "decoded_image": None, **record})))


def lmms_prompt(name: str, row) -> str:
    return text_of(TASKS[name].profiles["lmms"].ask(row).messages[0])


def test_tasks_are_listed_without_torch_and_arrow():
    script = "import sys, vl2.evaluation.tasks; sys.exit(bool({'torch', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_late_import_keeps_its_number():
    assert TASKS["pocketbench"].profiles["native"].max_new_tokens == pocketbench.MAX_ANSWER_TOKENS


def test_annotators_who_answered_none_count():
    row = row_of("textvqa", answers=["none"] * 6 + ["nan"] * 4)
    assert len(row.answers) == 10
    assert TASKS["textvqa"].score(row, "none", "canonical").credit == 1


def test_the_dialect_reaches_the_metric():
    row = row_of("docvqa", answers=["abcd"])
    credits = {dialect: TASKS["docvqa"].score(row, "abxx", dialect).credit for dialect in ("vlmevalkit", "official")}
    assert credits == {"vlmevalkit": 0.5, "official": 0}


def test_an_option_that_reads_none_keeps_its_letter():
    assert row_of("mmmu", options="['x', 'None', 'y']", answer="C").options == {"A": "x", "B": "None", "C": "y"}


def test_several_golds_of_mmmu_are_several_in_tables_too(tmp_path, monkeypatch):
    monkeypatch.setitem(TSV, "mmmu", [{**TSV["mmmu"][1], "image": TSV["mmmu"][0]["image"], "answer": "['3', 'three']"}])
    (row,) = rows_of("tsv", "mmmu", tmp_path)
    hub = row_of("mmmu", question_type="open", options="[]", answer="['3', 'three']")
    assert row.answers == hub.answers == ("3", "three")
    assert TASKS["mmmu"].score(row, "It is three.", "official").state == "correct"
    # vlmevalkit makes the literal of all golds one option, which no single one of them contains
    states = [TASKS["mmmu"].score(row, said, "vlmevalkit").state for said in ("3", "A", "['3', 'three']")]
    assert states == ["wrong", "correct", "correct"]


@pytest.mark.parametrize("name, number", [("mmmu", 3), ("mmmu", 0)])
def test_an_image_tag_without_its_image_is_refused(name, number, tmp_path):
    row = replace(rows_of("parquet", name, tmp_path)[0], question=f"<image {number}> Which?")
    for rule in TASKS[name].profiles.values():
        with pytest.raises(VL2Error, match="names an image that is not there"):
            rule.ask(row)


@pytest.mark.parametrize(
    "record, ending",
    [
        ({"unit": "cm"},
         "How long? (Unit: cm)\nAnswer the question using a single floating-point number with one decimal place."),
        ({"answer_type": "integer"}, "How long?\nAnswer the question using a single integer number."),
        ({"question": "Which?", "question_type": "multi_choice", "answer_type": "text", "choices": ["x", "y"]},
         "Which?\nA. x\nB. y\nAnswer with the option's letter from the given choices directly."),
    ],
)  # fmt: skip
def test_lmms_asks_mathvista_for_a_form(record, ending):
    assert lmms_prompt("mathvista", row_of("mathvista", **record)) == ending


def test_lmms_asks_mathvista_from_a_table_alike(tmp_path, monkeypatch):
    query = "Hint: Please answer.\nQuestion: Which?\nChoices:\n(A) x\n(B) y"
    changed = {"question": query, "question_type": "multi_choice", "answer_type": "text", "choices": "['x', 'y']"}
    monkeypatch.setitem(TSV, "mathvista", [{**TSV["mathvista"][0], **changed}])
    (row,) = rows_of("tsv", "mathvista", tmp_path)
    assert lmms_prompt("mathvista", row).startswith("<image>\nWhich?\nA. x\nB. y\nAnswer with the option's letter")
    assert text_of(TASKS["mathvista"].profiles["vlmevalkit"].ask(row).messages[0]) == f"<image>\n{query}"


def test_lmms_shows_the_images_of_mmt_bench_within_its_question(tmp_path):
    (row,) = rows_of("parquet", "mmt_bench", tmp_path)
    begin = "Question: <image>\n<image>\nWhich is first?\nA: x\nB: y\nC: z\nAnswer"
    assert lmms_prompt("mmt_bench", row).startswith(begin)


def test_boxes_of_our_own_lines_are_measured_by_their_image(tmp_path):
    (tmp_path / "1.png").write_bytes(picture())
    path = tmp_path / "rows.jsonl"
    line = {"id": 1, "images": ["1.png"], "question": "red square", "box": [8, 8, 41, 41]}
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    task = TASKS["refcoco"]
    (row,) = open_rows(task, path)
    assert task.score(row, gold_answer(task, row), "canonical").state == "correct"


def test_images_of_mme_without_a_path_are_told_apart(tmp_path, monkeypatch):
    changed = [{**row, "image_path": "", "image": coded(data)}
               for row, data in zip(TSV["mme"], (picture("a"), picture("b")), strict=True)]  # fmt: skip
    monkeypatch.setitem(TSV, "mme", changed)
    assert len({row.group for row in rows_of("tsv", "mme", tmp_path)}) == 2


def test_charts_are_told_apart_by_who_asked_in_every_format(tmp_path):
    for format_ in ("parquet", "tsv"):
        assert [row.category for row in rows_of(format_, "chartqa", tmp_path)] == ["human", "augmented"]


def test_a_case_that_is_none_fails_and_does_not_stop_the_others(tmp_path):
    path = tmp_path / "cases.jsonl"
    broken = ['{"deepseek_vl2_conversation": []}', '{"deepseek_vl2_conversation": 1, "profile": []}']
    path.write_text("\n".join([*broken, PROMPTS.read_text(encoding="utf-8")]), encoding="utf-8")
    report = run_prompt_cases(path)
    assert (report.passed, report.failed) == (17, 2)


def test_what_would_be_too_large_is_not_enlarged():
    source = ImageSource(data=picture())
    assert enlarge(source, 2).width == 128
    assert enlarge(source, 200) == source
