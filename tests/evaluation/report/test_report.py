"""The page says scores, errors and sources, shows what was wrong, and lets no answer become markup."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.evaluation.synthetic import write_tsv
from vl2.core.errors import VL2Error
from vl2.evaluation.published import NUM_QUESTIONS, published_rows
from vl2.evaluation.report import write_report
from vl2.evaluation.report.figures import scatter
from vl2.evaluation.report.rows import columns_of, degraded_series, mean_rows, score_rows
from vl2.evaluation.results import Results, read_results, write_results
from vl2.evaluation.summary import Degradation, Part, ScoredLine, Summary
from vl2.evaluation.task import Count
from vl2.evaluation.tasks import TASKS

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def line(name: str, said: str, credit: float, **changed) -> ScoredLine:
    values = {"id": name, "group": "", "category": "form", "question": "what is the total?", "answers": ("12.00",),
              "said": said, "parsed": said, "credit": credit, "state": "correct" if credit else "wrong",
              "num_images": 1}  # fmt: skip
    return ScoredLine(**{**values, **changed})


def write_run(folder: Path, data: str, *, lines: Sequence[ScoredLine] = (), scale: float = 100.0, **changed) -> Path:
    """Write the folder of a run of DocVQA with one right and one wrong answer, or other lines."""
    values = {
        "task": "docvqa", "title": "DocVQA", "metric": "ANLS", "profile": "vlmevalkit", "dialect": "vlmevalkit",
        "model": "pocket", "fingerprint": "f", "activated_parameters": 1_400_000, "num_rows": 2, "score": 50.0,
        "low": 9.0, "high": 91.0, "standard_error": 35.0, "unparsed": 0.5, "errors": 0.0, "published": "DocVQA",
        "data": data,
        "parts": {"category": (Part(name="form", num_rows=1, score=100.0, low=20.0, high=100.0),
                               Part(name=EVIL, num_rows=1, score=0.0, low=0.0, high=80.0))},
    }  # fmt: skip
    lines = lines or [line("0", "12.00", 1.0), line("1", EVIL, 0.0, state="unparsed", parsed="")]
    counts = [Count(part="all", group=one.id, value=one.credit) for one in lines]
    folder.mkdir(parents=True)
    write_results(folder, Results(summary=Summary(**{**values, **changed}), scale=scale, lines=lines, counts=counts))
    return folder


@pytest.fixture
def run(tmp_path) -> Path:
    return write_run(tmp_path / "run" / "docvqa", str(write_tsv(tmp_path, "docvqa")))


def test_the_page_has_scores_errors_and_sources(run, tmp_path):
    write_report([run], tmp_path / "report.html")
    page, plain = ((tmp_path / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    for text in (page, plain):
        for words in ("DeepSeek-VL2-Tiny", "88.9", "DeepSeek-VL2 paper, table 3", "9.0 to 91.0", "1.4 M",
                      "measured here", "50.0% could not be read", "0.0% were not answered",
                      "prompts vlmevalkit"):  # fmt: skip
            assert words in text, words
    assert "<svg" in page and "data:image/jpeg;base64," in page
    assert "Published scores are of the test split; these rows are" in page


def test_answers_are_filtered_by_state_and_category(tmp_path):
    lines = [line("0", "a", 0.0), line("1", "", 0.0, state="unparsed", category="table"), line("2", "b", 0.0)]
    write_report([write_run(tmp_path / "docvqa", "", lines=lines)], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for value in ("wrong", "unparsed", "form", "table"):
        assert f'<option value="{value}">{value}</option>' in page
    assert page.count('data-state="wrong"') == 2 and page.count('data-category="table"') == 1


def test_no_answer_becomes_markup(run, tmp_path):
    write_report([run], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page and "<img src=x" not in page
    assert len(re.findall("<script", page)) == 1
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and policy[1].startswith("default-src 'none'; img-src data:; ") and "unsafe" not in policy[1]
    for kind in ("style", "script"):
        content = re.search(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1], "it may hold this and nothing else"
    assert not re.search(r' (style|on\w+)="', page.partition("<main>")[2]), "the policy would refuse them"
    assert not re.search(r'(src|href)="(?!data:|#)', page), "the page loads nothing"


def test_no_answer_becomes_markdown(tmp_path):
    said = "<b>x</b> | [a](javascript:b) ![c](d)\n# e `f` **g**"
    write_report([write_run(tmp_path / "docvqa", "", lines=[line("0", said, 0.0, parsed="")])], tmp_path / "report.md")
    plain = (tmp_path / "report.md").read_text(encoding="utf-8")
    told = next(row for row in plain.splitlines() if "javascript" in row)
    assert "&lt;b>x&lt;/b> \\| \\[a\\](javascript:b) \\!\\[c\\](d) # e \\`f\\` \\*\\*g\\*\\*" in told
    assert not (tmp_path / "report.html").exists()


def test_without_its_data_the_page_says_so(tmp_path):
    write_report([write_run(tmp_path / "docvqa", "gone.tsv")], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Without pictures: gone.tsv: no such file" in page and "data:image" not in page


def test_the_drop_under_degradation_is_drawn(run, tmp_path):
    worse = [write_run(tmp_path / f"blur{level}", "", score=50.0 - 8 * level,
                       degradation=Degradation(kind="blur", level=level)) for level in (1, 3, 5)]  # fmt: skip
    write_report([run, *worse], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    curve = re.search(r'<polyline class="curve" points="([^"]*)"', page)
    assert curve and len(curve[1].split()) == 4, "level 0 is the plain run"
    heights = [float(point.partition(",")[2]) for point in curve[1].split()]
    assert heights == sorted(heights)
    told = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| pocket | blur | 5 | 10.0 | 9.0 to 91.0 | 40.0 | 50.0% | 0.0% |" in told


def test_each_model_has_its_own_curves(run, tmp_path):
    """One without a plain run begins at level 1, not at the score of another."""
    kinds = (("pocket", "blur"), ("pocket", "noise"), ("other", "blur"))
    worse = [write_run(tmp_path / f"{model}-{kind}", "", model=model, score=20.0,
                       degradation=Degradation(kind=kind, level=2)) for model, kind in kinds]  # fmt: skip
    series = degraded_series([read_results(folder) for folder in (*worse, run)])
    levels = {(one.model, one.kind): {level: found.score for level, found in one.summaries.items()} for one in series}
    assert levels == {
        ("pocket", "blur"): {0: 50, 2: 20},
        ("pocket", "noise"): {0: 50, 2: 20},
        ("other", "blur"): {2: 20},
    }


def test_wrong_names_and_folders_are_one_line(run, tmp_path):
    with pytest.raises(VL2Error, match="not a page"):
        write_report([run], tmp_path / "report.pdf")
    with pytest.raises(VL2Error, match="holds no summary"):
        write_report([tmp_path], tmp_path / "report.html")


def test_every_task_finds_its_published_column():
    for task in TASKS.values():
        for split in ("val", "testA", "testB", "test"):
            column = f"{task.published}_{split}" if task.published.startswith("RefCOCO") else task.published
            if column in NUM_QUESTIONS or column and not task.published.startswith("RefCOCO"):
                assert published_rows(column), column


def test_published_rows_have_sources_and_errors():
    rows = published_rows("DocVQA")
    base = next(row for row in rows if row.model == "DeepSeek-VL2")
    assert (base.score, base.activated) == (93.3, 4.5)
    assert base.standard_error == pytest.approx(0.35, abs=0.005)
    assert all(row.source for row in rows) and rows[-1].activated is None
    ocr = next(row for row in published_rows("OCRBench") if row.model == "DeepSeek-VL2")
    assert ocr.standard_error == pytest.approx(12.4, abs=0.1)
    assert next(row for row in published_rows("MME")).standard_error is None


def test_models_that_only_other_papers_compare_are_told_with_their_source():
    big = next(row for row in published_rows("RefCOCO_val") if row.model == "InternVL2-76B")
    assert (big.score, big.source) == (92.2, "Qwen2-VL paper, table 6")
    rows = [row for name in NUM_QUESTIONS for row in published_rows(name)]
    assert len({(row.benchmark, row.model) for row in rows}) == len(rows), "one score a model and benchmark"


def test_models_are_placed_by_their_size_also_where_they_point():
    assert {row.model: row.activated for row in published_rows("RefCOCO_testA")}["DeepSeek-VL2-Small"] == 2.8


def test_the_mean_is_over_what_all_have(tmp_path):
    ocr = {"title": "OCRBench", "task": "ocrbench", "published": "OCRBench", "scale": 1000.0}
    folders = [write_run(tmp_path / "a", ""), write_run(tmp_path / "b", "", score=300.0, low=200.0, high=400.0, **ocr)]
    benchmarks, rows = mean_rows([read_results(folder) for folder in folders])
    found = {row.model: row for row in rows}
    assert benchmarks == ["DocVQA", "OCRBench"]
    assert found["DeepSeek-VL2"].score == pytest.approx((93.3 + 81.1) / 2)
    assert "Aria-MoE" not in found, "it has no score of OCRBench"
    pocket = found["pocket"]
    assert pocket.is_run and pocket.score == pytest.approx(40.0)
    assert pocket.high is not None and pocket.high - pocket.score == pytest.approx((41**2 + 10**2) ** 0.5 / 2)
    assert mean_rows([read_results(folders[0])]) == ([], [])


def test_bars_end_at_the_scale_of_the_benchmark(tmp_path):
    parts = {"type": (Part(name="a", num_rows=1, score=500.0, low=400.0, high=600.0),
                      Part(name="b", num_rows=1, score=100.0, low=0.0, high=200.0))}  # fmt: skip
    write_report([write_run(tmp_path / "ocrbench", "", scale=1000.0, parts=parts)], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "0 to 1000" in page
    assert [float(width) for width in re.findall(r'class="bar" width="([\d.]+)"', page)] == [75.0, 15.0]


def test_a_split_of_refcoco_has_a_column_of_its_own(run):
    summary = read_results(run).summary
    assert columns_of(summary) == "DocVQA"
    assert columns_of(Summary(**{**vars(summary), "published": "RefCOCO+", "split": "testB"})) == "RefCOCO+_testB"


def test_the_figure_is_logarithmic(run):
    figure = scatter(score_rows([read_results(run)]), "DocVQA")
    places = {name: float(x) for x, name in re.findall(r'cx="([\d.]+)"[^>]*><title>([^:]*):', figure)}
    step = places["Aria-MoE"] - places["DeepSeek-VL2-Tiny"]  # 1 and 4.3 billion
    assert places["MM1.5-7B"] - places["MM1.5-1B"] == pytest.approx(step * 1.334, rel=0.02)  # log 7 / log 4.3
