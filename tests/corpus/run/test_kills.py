"""Whole runs with workers, killed at random moments: nothing is lost or done twice. VL2_KILLS=20 for more of them."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import yaml

from tests.corpus.run.sources import contents
from tests.corpus.run.test_run import recipe_in, run
from vl2.corpus.manifest import INCOMPLETE, is_finished

KILLS = int(os.environ.get("VL2_KILLS", "1"))
WORKERS = 2
HAS_RAY = importlib.util.find_spec("ray") is not None
EXECUTORS = ["local", "ray"] if HAS_RAY and KILLS > 1 else ["local"]  # Ray starts twice for each of its kills


@pytest.fixture(scope="module")
def whole(sources, tmp_path_factory):
    """Return what an uninterrupted run in one process leaves."""
    return contents(run(recipe_in(tmp_path_factory.mktemp("whole"), sources)))


def command_of(recipe, folder, executor):
    values = {
        "out": recipe.out, "block_rows": recipe.block_rows, "steps": list(recipe.steps), "write": list(recipe.write),
        "sources": [{"name": s.name, "path": s.path, "licence": s.licence, "url": s.url} for s in recipe.sources],
    }  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    told = ["corpus", "run", str(path), "--workers", str(WORKERS), "--executor", executor]
    return [sys.executable, "-c", "from vl2.cli import main; main()", *told]


def kill_at(command, out, moment: float) -> None:
    """Start a run, wait for its first file and then for the moment, and kill it."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while not (out / "stage-0" / "00000000.tar").exists() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # until its workers have seen that it is gone


def begun_only(out) -> set[tuple[str, str]]:
    """Return the blocks of which there is a file and no receipt."""
    files = [path for path in out.glob("*/*") if path.is_file() and path.name[:8].isdigit()]
    blocks = {(path.parent, path.name[:8]) for path in files}
    return {(folder.name, block) for folder, block in blocks if not is_finished(folder, int(block))}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("number", range(KILLS))
def test_killed_and_run_again_nothing_is_lost_or_done_twice(whole, sources, tmp_path, executor, number):
    recipe, out = recipe_in(tmp_path, sources), tmp_path / "run"
    command = command_of(recipe, tmp_path, executor)
    kill_at(command, out, random.Random(f"{executor} {number}").uniform(0, 1.5))
    done = {path: path.stat().st_mtime_ns for path in out.rglob("done/*.json")}
    redone = begun_only(out)
    assert len(redone) <= WORKERS
    if number % 2:  # what one executor began the other goes on with
        run(recipe)
    else:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0 and "Written to" in ended.stderr, ended.stderr
    found = contents(out)
    assert not [name for name in found if name.endswith(INCOMPLETE)]
    assert found == whole
    assert done == {path: path.stat().st_mtime_ns for path in done}
    print(f"{executor} {number}: {len(done)} of {len(list(out.rglob('done/*.json')))} blocks done, {len(redone)} again")
