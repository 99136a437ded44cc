"""torchrun starts processes again that were killed, and the run is the undisturbed one. VL2_KILLS=20 kills so often."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.train.stage_toys import changes, log_of, recipe, tensors_of
from vl2.core.errors import ConfigError
from vl2.train.processes import FRESH_STORE, process_group

KILLS = int(os.environ.get("VL2_KILLS", "0"))
STEPS_A_KILL, MOST_SECONDS = 6, 3600


def start(assignments: list[str]) -> subprocess.Popen[bytes]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                "--max-restarts", str(KILLS)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", FRESH_STORE: "1"}
    return subprocess.Popen(
        [*launcher, "-m", "vl2.train", str(recipe("base", "pretrain")), *assignments], env=environment,
        cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL,
    )  # fmt: skip


def children(run: subprocess.Popen[bytes]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]


def num_lines(out: Path) -> int:
    return len((out / "log.jsonl").read_bytes().splitlines()) if (out / "log.jsonl").exists() else 0


def kill_again_and_again(run: subprocess.Popen[bytes], out: Path) -> int:
    """Kill a process at random moments, each after a step more than the last time; returns how often."""
    chance, kills, reached = random.Random(5), 0, 0
    while run.poll() is None and kills < KILLS:
        time.sleep(0.02)
        if num_lines(out) <= reached:
            continue
        time.sleep(chance.uniform(0, 1.5))  # within a step, or a save behind it
        reached = num_lines(out)
        alive = children(run)
        if run.poll() is None and len(alive) == 2:
            os.kill(chance.choice(alive), signal.SIGKILL)
            kills += 1
            while run.poll() is None and set(alive) & set(children(run)):
                time.sleep(0.02)
    return kills


@pytest.mark.skipif(not KILLS, reason="VL2_KILLS says how often processes are killed")
def test_a_run_whose_processes_are_killed_is_the_undisturbed_one(corpus, starts, tmp_path):
    settings = {"num_steps": STEPS_A_KILL * KILLS, "save_every": 2, "keep_last": 2, "dp_shard": 2, "microbatch": 1}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(changes(corpus, starts["base"], whole, **settings)).wait(MOST_SECONDS) == 0
    run = start(changes(corpus, starts["base"], killed, **settings))
    assert kill_again_and_again(run, killed) == KILLS
    assert run.wait(MOST_SECONDS) == 0
    expected, found = tensors_of(whole), tensors_of(killed)
    assert [key for key in expected if not torch.equal(expected[key], found[key])] == []
    for one, other in zip(log_of(killed), log_of(whole), strict=True):
        assert all(one[name] == other[name] for name in ("step", "loss", "grad_norm", "tokens", "tiles"))


def test_a_stop_of_the_command_stops_its_processes(corpus, starts, tmp_path):
    settings = changes(corpus, starts["tiny"], tmp_path / "run", num_steps=100_000, save_every=100_000)
    words = [str(recipe("tiny", "sft")), *(f"--set={one}" for one in settings), "--set=dp_shard=2"]
    run = subprocess.Popen(
        [sys.executable, "-c", "from vl2.cli import main; main()", "train", "run", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        while num_lines(tmp_path / "run") < 2:
            assert run.poll() is None, "it ended by itself"
            time.sleep(0.1)
        alive = children(run)
        run.terminate()
        assert run.wait(60) != 0
        assert len(alive) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in alive)
    finally:
        run.kill()


def test_restarts_that_would_wait_for_the_dead_are_refused(monkeypatch):
    for name, value in {"USE_AGENT_STORE": "True", "MAX_RESTARTS": "3"}.items():
        monkeypatch.setenv(f"TORCHELASTIC_{name}", value)
    with pytest.raises(ConfigError, match=f"export {FRESH_STORE}=1"), process_group():
        pass
