"""Every recipe of a pipeline runs from a tiny source to its shards and its report, by the commands of the docs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.corpus.pipelines.fixtures import NUM_ROWS, SOURCES, write_sources, write_teacher
from vl2.cli import app
from vl2.corpus.recipe import load_recipe
from vl2.corpus.step import is_kept
from vl2.corpus.tar import unpack

RECIPES = Path(__file__).parents[3] / "recipes" / "corpus"
MOST_LINES = 80
# the least share of rows that the tiny source leaves, and steps that its report must show
PIPELINES: dict[str, tuple[float, str]] = {
    "grounding": (0.9, "locate"),
    "grounded_captions": (0.9, "describe_grounded"),
    "in_context": (0.3, "in_context"),
    "visual_prompts": (0.9, "marked"),
    "gui": (0.6, "gui"),
    "recaption": (0.9, "recaption"),
    "general_vqa": (0.9, "make_questions"),
    "textbook": (0.9, "make_questions"),
    "sft_regenerate": (0.9, "regenerate"),
    "table_regenerate": (0.8, "regenerate"),
    "reasoning": (0.8, "regenerate"),
    "ocr_cleaning": (0.9, "clean_ocr"),
    "alignment": (0.9, "align"),
    "interleaved": (0.3, "interleave"),
    "ocr_latex": (0.9, "transcribe"),
    "ocr_text": (0.9, "transcribe"),
    "ocr_documents": (0.8, "transcribe"),
    "tables": (0.9, "table_code"),
    "documents": (0.9, "document_questions"),
    "web_code": (0.7, "web_code"),
    "plot_code": (0.4, "plot_code"),
    "text_only": (0.9, "text_only"),
    "degraded": (0.9, "worsen"),
    "mixture": (0.3, "mixture"),
}
LEAST_CHANGED = {"degraded": 0.5, "mixture": 0.0}  # of the kept rows, where not all of them


@pytest.mark.parametrize("name", PIPELINES)
def test_a_recipe_runs_to_its_report(name, tmp_path, monkeypatch):
    path = RECIPES / f"{name}.yaml"
    recipe = load_recipe(path)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    monkeypatch.chdir(tmp_path)
    write_sources(tmp_path, [source.name for source in recipe.sources if source.name in SOURCES])
    write_teacher(tmp_path)
    done = CliRunner().invoke(app, ["corpus", "run", str(path), "--workers", "1"])
    assert done.exit_code == 0, done.output
    out = tmp_path / recipe.out
    assert CliRunner().invoke(app, ["corpus", "report", str(out)]).exit_code == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    least, step = PIPELINES[name]
    assert f"<td>{step}</td>" in page
    last = max(out.glob("stage-*"), key=lambda folder: int(folder.name.partition("-")[2]))
    rows = [row for shard in sorted(last.glob("*.tar")) for row in unpack(shard.read_bytes())]
    kept = [row for row in rows if is_kept(row)]
    assert rows and len(kept) >= least * len(rows), [row.decision for row in rows]
    changed = [row for row in kept if step in row.provenance.get("versions", {})]
    assert all(row.provenance["parents"] for row in changed)
    assert len(changed) >= LEAST_CHANGED.get(name, 1.0) * len(kept)
    assert list((out / "webdataset").glob("*.tar"))


def test_a_run_ends_where_its_budget_does_and_goes_on_with_a_larger_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_sources(tmp_path, ["hinted"])
    write_teacher(tmp_path)
    service = tmp_path / "recipes" / "teacher" / "local.yaml"
    told = service.read_text()
    service.write_text(told.replace("budget: 1.0", "budget: 0.007"))
    words = ["corpus", "run", str(RECIPES / "general_vqa.yaml"), "--workers", "2"]  # as two processes of their own
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code != 0 and "the budget is spent" in f"{ended.output}{ended.exception}"
    spent = [json.loads(line) for path in (tmp_path / "runs/corpus/teacher").glob("*.jsonl") for line in path.open()]
    assert 0 < len(spent) < NUM_ROWS and sum(entry["cost"] for entry in spent) <= 0.007
    service.write_text(told)
    assert CliRunner().invoke(app, words).exit_code == 0
    paid = [json.loads(line) for path in (tmp_path / "runs/corpus/teacher").glob("*.jsonl") for line in path.open()]
    assert len(paid) == len({entry["key"] for entry in paid}) == NUM_ROWS


def test_every_recipe_of_a_pipeline_is_run():
    ours = {path.stem for path in RECIPES.glob("*.yaml") if "runs/corpus/in/" in path.read_text(encoding="utf-8")}
    assert ours == set(PIPELINES)
