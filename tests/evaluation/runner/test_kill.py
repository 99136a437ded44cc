"""A run that is killed and started again ends with the scores of one that was not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.evaluation.runner import toy
from vl2.evaluation.results import read_results

ROOT = Path(__file__).parents[3]
NUM_KILLS = int(os.environ.get("VL2_EVAL_KILLS", "2"))  # 20 for docs/STATUS.md
NUM_ROWS = 36 * NUM_KILLS
START_S = 120.0


def start(rows: Path, out: Path, max_running: int = 4) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.evaluation.runner.toy_run", str(rows), str(out), str(max_running)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip


def num_bytes(out: Path) -> int:
    return sum(path.stat().st_size for path in out.glob("answers*.jsonl"))


def kill_at(process: subprocess.Popen[str], out: Path, size: int, wait_s: float) -> bool:
    """Kill a run a moment after its log has grown to a size; False when it ended before."""
    end = time.monotonic() + START_S
    while process.poll() is None and num_bytes(out) < size:
        assert time.monotonic() < end, "the run does not go on"
        time.sleep(0.001)
    time.sleep(wait_s)
    was_running = process.poll() is None
    process.kill()
    _, said = process.communicate()
    assert was_running or process.returncode == 0, said
    return was_running


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_rows(tmp_path_factory.mktemp("rows"), NUM_ROWS)


def test_kill_nine_at_random_moments(drawn, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    undisturbed = start(drawn, whole, max_running=16)
    assert undisturbed.wait(600) == 0, undisturbed.stderr.read()
    rng = random.Random(NUM_KILLS)
    total = num_bytes(whole)
    sizes = sorted(rng.uniform(0.0, 0.9) * total for _ in range(NUM_KILLS))
    num_killed = sum(
        kill_at(start(drawn, broken, rng.choice([1, 4, 16])), broken, size, rng.uniform(0, 0.03)) for size in sizes
    )
    assert num_killed >= NUM_KILLS - 1, "most runs are to be stopped while they work"
    last = start(drawn, broken)
    assert last.wait(600) == 0, last.stderr.read()

    assert read_results(broken) == read_results(whole)
    keys = [json.loads(line)["key"] for line in (broken / "answers.jsonl").open()]
    assert len(keys) == len(set(keys)) == NUM_ROWS, "a finished sample was inferred twice"
