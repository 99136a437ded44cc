"""A folder of recipes runs in the order in which they read each other, and says beforehand what is missing."""

from __future__ import annotations

import json
from multiprocessing import active_children
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vl2.cli import app
from vl2.core.errors import ConfigError
from vl2.corpus.run_all import load_all, run_all
from vl2.corpus.run_local import LocalExecutor

ROW = {"messages": [{"role": "user", "content": "Say a word."}, {"role": "assistant", "content": "A word."}]}
RECIPE = "out: {out}\nsources:\n  - {{name: rows, path: '{path}'}}\nwrite: [webdataset]\n"


def write_recipe(folder: Path, name: str, path: str, out: str | None = None) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(RECIPE.format(out=out or f"made/{name}", path=path))


def run(folder: Path):
    return CliRunner().invoke(app, ["corpus", "run", str(folder), "--workers", "1"])


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    return tmp_path


def test_who_reads_comes_after_who_writes_whatever_their_names(place):
    write_recipe(place / "recipes", "a_last", "made/b_middle/webdataset/*.tar")
    write_recipe(place / "recipes", "b_middle", "made/c_first/webdataset/*.tar")
    write_recipe(place / "recipes", "c_first", "rows.jsonl")
    assert list(load_all(place / "recipes")) == ["c_first", "b_middle", "a_last"]
    done = run(place / "recipes")
    assert done.exit_code == 0, done.output
    assert (place / "made/a_last/webdataset/manifest.jsonl").is_file()
    again = run(place / "recipes")
    assert again.exit_code == 0 and "blocks" not in again.output  # nothing is done twice


def test_all_that_is_missing_is_told_before_anything_runs(place):
    write_recipe(place / "recipes", "one", "rows.jsonl")
    write_recipe(place / "recipes", "other", "nowhere/*.tar")
    write_recipe(place / "recipes", "third", "nor/here")
    done = run(place / "recipes")
    assert done.exit_code == 2 and not (place / "made").exists()
    assert "nowhere/*.tar (other); nor/here (third)" in done.output


@pytest.mark.parametrize(
    ("recipes", "problem"),
    [
        ({"one": ("made/other/x.tar", None), "other": ("made/one/x.tar", None)}, "in a circle"),
        ({"one": ("rows.jsonl", "made/same"), "other": ("rows.jsonl", "made/same")}, "to one place"),
        ({}, "no recipes here"),
    ],
)
def test_folders_that_cannot_run_are_refused(place, recipes, problem):
    (place / "recipes").mkdir()
    for name, (path, out) in recipes.items():
        write_recipe(place / "recipes", name, path, out)
    with pytest.raises(ConfigError, match=problem):
        load_all(place / "recipes")


def test_what_one_recipe_left_in_memory_is_given_back_before_the_next(place):
    write_recipe(place / "recipes", "one", "rows.jsonl")
    write_recipe(place / "recipes", "two", "made/one/webdataset/*.tar")
    with LocalExecutor(2) as executor:
        seen: list[bool] = []
        run_all(load_all(place / "recipes"), executor, lambda name, progress: seen.append(bool(active_children())))
        assert any(seen)
        assert not active_children()
