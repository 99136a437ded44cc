"""Killed at any moment, a run goes on as if it had not been. VL2_KILLS=20 kills as often; VL2_KILLS_SEED draws anew."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.train.snapshot_worlds import different
from tests.train.stage_toys import changes, recipe, tensors_of
from vl2.train.snapshots.folder import INCOMPLETE
from vl2.train.snapshots.stored import newest_snapshot

NUM_KILLS = int(os.environ.get("VL2_KILLS", "2"))
STEPS_A_KILL, SAVE_EVERY, LONGEST_S = 4, 2, 0.4  # killed within so many seconds of a step
KINDS = ("all, in a save", "one process", "all, anywhere")  # after that of one torchrun starts them all by itself
LAYOUT = {"dp_shard": 2, "ep": 2, "microbatch": 1}  # of Base, whose biases move and whose moments are bfloat16
PATIENCE_S = 120
# torchrun's own store would keep the addresses of processes that are gone, and those that follow wait for them
FRESH_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


class Job:
    """A run under torchrun, with the diaries of its processes."""

    def __init__(self, folder: Path, assignments: list[str]) -> None:
        self.folder, self.assignments = folder, assignments
        self.diaries = folder / "diaries"
        self.diaries.mkdir(parents=True)
        self.seen: set[Path] = set()  # diaries of processes that have been killed
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            "--max-restarts", str(NUM_KILLS), "-m", "tests.train.killed_run", str(self.diaries),
            str(recipe("base", "pretrain")), *self.assignments,
        ]  # fmt: skip
        with (self.folder / "output.txt").open("a") as output:
            self.agent = subprocess.Popen(
                command, env=os.environ | FRESH_STORE | {"OMP_NUM_THREADS": "1"}, cwd=Path(__file__).parents[2],
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def kill(self, kind: str, target: int, moment: random.Random) -> bool:
        """Kill processes once they are past a step; returns whether that was inside a save."""
        live = self._live(target)
        if kind == "all, in a save":
            self._wait(lambda: self._is_saving())
            time.sleep(moment.uniform(0, 0.05))
        else:
            time.sleep(moment.uniform(0, LONGEST_S))
        pids = [int(path.stem.split("-")[1]) for path in live]
        killed = moment.sample(pids, 1) if kind == "one process" else [self.agent.pid, *pids]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        in_save = self._is_saving()
        self.seen |= set(self.diaries.iterdir())
        if kind != "one process":
            self.agent.wait()
            self._wait(lambda: not any(map(_is_alive, pids)))
            self.start()
        return in_save

    def finish(self) -> None:
        assert self.agent.wait(PATIENCE_S) == 0, self.output()

    def stop(self) -> None:
        """End what still runs, as after a failure."""
        self.agent.terminate()
        self.agent.wait()

    def lines(self) -> Iterator[tuple[str, dict]]:
        """Yield what each rank wrote, whoever was killed; of a line that was cut off nothing."""
        for path in self.diaries.iterdir():
            for line in path.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    yield path.stem.split("-")[0], json.loads(line)

    def output(self) -> str:
        return (self.folder / "output.txt").read_text()[-3000:]

    def _live(self, target: int) -> list[Path]:
        """Return the diaries of processes that run now, once both have passed a step."""
        live: list[Path] = []

        def both_past() -> bool:
            live[:] = [path for path in self.diaries.iterdir() if path not in self.seen]
            steps = [json.loads(path.read_text().splitlines()[-1])["step"] for path in live if path.stat().st_size]
            return len(steps) == 2 and min(steps) >= target

        self._wait(both_past)
        return live

    def _is_saving(self) -> bool:
        return any((self.folder / "out").glob(f"*{INCOMPLETE}"))

    def _wait(self, comes_true) -> None:
        end = time.monotonic() + PATIENCE_S
        while not comes_true():
            assert time.monotonic() < end and self.agent.poll() in (None, -signal.SIGKILL), self.output()
            time.sleep(0.002)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_run_that_is_killed_again_and_again_is_the_run_that_never_was(corpus, starts, tmp_path, request):
    seed = int(os.environ.get("VL2_KILLS_SEED", "0"))
    moment, kills = random.Random(seed), []
    settings = {"num_steps": STEPS_A_KILL * (NUM_KILLS + 1), "save_every": SAVE_EVERY, "keep_last": 2, **LAYOUT}

    def begin(name: str) -> Job:
        job = Job(tmp_path / name, changes(corpus, starts["base"], tmp_path / name / "out", **settings))
        request.addfinalizer(job.stop)
        return job

    whole = begin("whole")
    whole.finish()
    killed = begin("killed")
    for number in range(NUM_KILLS):
        kind = KINDS[number % len(KINDS)]
        target = STEPS_A_KILL * number + moment.randint(1, STEPS_A_KILL)
        kills.append((kind, target, killed.kill(kind, target, moment)))
    killed.finish()
    print(f"seed {seed}, {sum(in_save for *_, in_save in kills)} of {NUM_KILLS} kills inside a save: {kills}")
    expected = {(rank, line["step"]): line for rank, line in whole.lines()}
    found = list(killed.lines())
    assert len(found) > len(expected)  # some steps were done twice
    assert {(rank, line["step"]) for rank, line in found} == set(expected)
    wrong = [line for rank, line in found if line != expected[rank, line["step"]]]
    assert not wrong, wrong[0]
    folders = tmp_path / "killed" / "out", tmp_path / "whole" / "out"
    assert not different(*map(tensors_of, folders))
    manifests = [newest_snapshot(folder).manifest for folder in folders]
    assert manifests[0].step == settings["num_steps"]
    for part in ("step", "stream", "random"):
        assert getattr(manifests[0], part) == getattr(manifests[1], part), part
    assert sorted(p.name for p in folders[0].glob("step-*")) == sorted(p.name for p in folders[1].glob("step-*"))
