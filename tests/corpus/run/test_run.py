"""A run gives the same bytes with any number of workers, after a kill at any write, and does nothing twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests.corpus.run.sources import NUM_DRAWN, NUM_LINES, STEPS, contents, recipe_of, silent
from vl2.cli import app
from vl2.core.errors import VL2Error
from vl2.corpus import block, manifest
from vl2.corpus.manifest import find_damaged, locked, read_manifest
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.step import is_kept
from vl2.corpus.tar import unpack


def run(recipe, workers=1):
    with LocalExecutor(workers) as executor:
        return run_recipe(recipe, executor, silent)


def rows(out, stage=0):
    shards = sorted((out / f"stage-{stage}").glob("*.tar"))
    return [sample for shard in shards for sample in unpack(shard.read_bytes())]


def recipe_in(folder, sources):
    """Return a recipe of three stages, with a source that comes twice."""
    steps = (*STEPS, {"use": "exact"}, {"use": "language"}, {"use": "near_texts"}, {"use": "refusal"})
    return recipe_of((*sources, replace(sources[0], name="again")), folder / "run", steps=steps)


@pytest.fixture(scope="module")
def whole(sources, tmp_path_factory):
    """Return the folder of an uninterrupted run in one process."""
    return run(recipe_in(tmp_path_factory.mktemp("whole"), sources))


def test_every_row_is_kept_or_has_its_reason(whole):
    found = rows(whole, stage=2)
    skipped = sum((Counter(receipt.skipped) for receipt in read_manifest(whole / "stage-0")), Counter())
    assert len(found) == len(rows(whole, stage=0)) == 2 * NUM_DRAWN + NUM_LINES - 1 and skipped == {"not JSON": 1}
    reasons = Counter((row.decision["step"], row.decision["reason"]) for row in found if not is_kept(row))
    assert reasons == {
        ("ingest", "an image cannot be read"): 1,
        ("decide", "length.answer_characters below 5"): 2,
        ("decide", "length.answer_characters above 40"): 5,
        ("exact", "exact duplicate"): NUM_DRAWN,
    }  # "word " * n, stripped: 0 and 4 characters, then 5 n - 1
    assert sum(receipt.num_kept for receipt in read_manifest(whole / "stage-2")) == sum(map(is_kept, found))
    kept = [row.id for row in found if is_kept(row)]
    assert len(set(kept)) == len(kept) == len(found) - 8 - NUM_DRAWN and all(len(name) == 32 for name in kept)
    twice = [row.decision["because_of"] for row in found if "because_of" in row.decision]
    assert twice == [row.id for row in found[:NUM_DRAWN]]
    drawn = found[0].provenance
    assert (drawn["source"], drawn["source_id"], drawn["licence"], len(drawn["images"])) == (
        "drawn",
        "drawn-0",
        "MIT",
        2,
    )


@pytest.mark.parametrize("workers", [4])  # two are killed and run again in test_kills.py
def test_any_number_of_workers_gives_the_same_bytes(whole, sources, tmp_path, workers):
    assert contents(run(recipe_in(tmp_path, sources), workers)) == contents(whole)


def test_what_is_finished_is_not_done_again(whole, sources, tmp_path, monkeypatch):
    recipe = recipe_in(tmp_path, sources)
    run(recipe)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tar")}
    monkeypatch.setattr(block, "pack", None)
    run(recipe)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tar")}


def killed_at(recipe, number) -> bool:
    """Run in a child that is killed when it has half written its file of that number; tell whether it was."""
    pid = os.fork()
    if pid == 0:
        num_writes = 0

        def fsync(handle):
            nonlocal num_writes
            num_writes += 1
            if num_writes == number:
                os.ftruncate(handle, os.fstat(handle).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)

        manifest.os.fsync = fsync
        try:
            run(recipe)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def test_killed_at_every_write_nothing_is_lost_or_redone(whole, sources, tmp_path):
    """A run that is killed again and again, each time a block further at most, until it reaches its end."""
    recipe = recipe_in(tmp_path, sources)
    num_kills = 0
    while killed_at(recipe, 7):  # a block has three files at most, the end of Energon five and a receipt
        num_kills += 1
        assert num_kills < 400
    assert num_kills > 30
    assert contents(run(recipe)) == contents(whole)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 11, 20, 33, 60])
def test_killed_once(whole, sources, tmp_path, number):
    recipe = recipe_in(tmp_path, sources)
    assert killed_at(recipe, number)
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("done/*.json")}
    assert contents(run(recipe)) == contents(whole)
    assert done or number <= 4
    assert done == {path: path.stat().st_mtime_ns for path in done}


def test_half_a_verdict_counts_for_nothing(whole, sources, tmp_path):
    recipe = recipe_in(tmp_path, sources)
    half = tmp_path / "run" / "stage-0" / "verdict.incomplete"
    half.mkdir(parents=True)
    (half / "00000000.json").write_text('[[0, "wrong", ""]]', encoding="utf-8")
    assert contents(run(recipe)) == contents(whole)


def test_another_recipe_or_changed_sources_are_refused(sources, tmp_path):
    recipe = recipe_of(sources[1:], tmp_path / "run")
    run(recipe)
    with pytest.raises(VL2Error, match="another recipe"):
        run(replace(recipe, block_rows=5))
    shorter = tmp_path / "lines.jsonl"
    shorter.write_text('{"conversations": []}\n', encoding="utf-8")
    changed = recipe_of((replace(sources[1], path=str(shorter)),), tmp_path / "other")
    run(changed)
    with shorter.open("a") as stream:
        stream.write('{"conversations": []}\n')
    block._open.cache_clear()
    with pytest.raises(VL2Error, match="sources have changed"):
        run(changed)


def test_a_second_run_in_the_same_folder_is_refused(sources, tmp_path):
    recipe = recipe_of(sources, tmp_path / "run")
    with locked(tmp_path / "run"), pytest.raises(VL2Error, match="another process is writing"):
        run(recipe)


def test_damage_is_found(sources, tmp_path):
    out = run(recipe_of(sources, tmp_path / "run"))
    assert find_damaged(out / "webdataset") == []
    shard = out / "webdataset" / "00000001.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    (out / "webdataset" / "00000000.tar").unlink()
    assert find_damaged(out / "webdataset") == ["00000000.tar", "00000001.tar"]
    told = CliRunner().invoke(app, ["corpus", "verify", str(out / "webdataset")])
    assert told.exit_code == 1 and len(told.stdout.splitlines()) == 2


def test_the_report_needs_a_run(tmp_path):
    from vl2.corpus.report import write_report

    with pytest.raises(VL2Error, match="no corpus run here"):
        write_report([tmp_path], tmp_path / "report.html", 3)
