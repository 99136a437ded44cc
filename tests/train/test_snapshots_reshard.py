"""A run goes on in any layout with the same bits: 4 -> 2 -> 1 -> 4 processes. With VL2_LAYOUTS=1 in all layouts."""

from __future__ import annotations

import errno
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from tests.parallel.layouts import PLANS, SHOWS
from tests.parallel.toy import toy
from tests.train.snapshot_worlds import LANES, Run, different, spawn, wait_for, world
from vl2.core.errors import VL2Error
from vl2.parallel.plan import ParallelPlan
from vl2.train.snapshots import Snapshots
from vl2.train.snapshots.folder import snapshots_in

ONE, TWO = {"one": ParallelPlan()}, {"tp2": ParallelPlan(tp=2)}
FEW = {"pp4 zbv": PLANS["pp4 zbv"]} | TWO | ONE | {"pp2 fsdp2 ep2 1f1b": PLANS["pp2 fsdp2 ep2 1f1b"]}
ALL = {"fsdp2": ParallelPlan(dp_shard=2)} | TWO | {"dp2": ParallelPlan(dp_replicate=2)} | ONE | PLANS
ROUTE = ALL if SHOWS else FEW


def work(rank: int, folder: Path, attention: str) -> None:
    for number, (name, plan) in enumerate(ROUTE.items()):
        if rank < plan.world_size:
            with world(folder, str(number), rank, plan.world_size):
                _go_on(folder, attention, name, number)
        if rank == 0:
            (folder / f"passed-{number}").touch()
        wait_for(folder / f"passed-{number}")


def _go_on(folder: Path, attention: str, name: str, number: int) -> None:
    """Restore, compare with what was saved, train a step and save, some moments in bfloat16."""
    run = Run(toy(attention), ROUTE[name], goes_on=number > 0)
    snapshots = Snapshots(folder / "run", keep_last=2)
    restored = snapshots.restore(run.model, run.optimizer)
    if number:
        assert restored is not None and restored.step == number
        assert restored.extra == {"layout": list(ROUTE)[number - 1]}
        assert list(restored.stream.lanes) == LANES and restored.stream.lanes[3].served == {"a": 3 * number}
        wrong = different(run.whole(), torch.load(folder / "expected.pt"))
        assert not wrong, f"{name}: {len(wrong)} tensors differ, {wrong[:3]}"
        for state in run.optimizer.state.values():
            state["exp_avg"] = state["exp_avg"].float()
    run.train(number)
    for state in run.optimizer.state.values():
        state["exp_avg"] = state["exp_avg"].bfloat16()
    if name == "tp2":
        _fail(folder, run, snapshots)
    snapshots.save(number + 1, run.model, run.optimizer, run.stream(number + 1), {"layout": name})
    expected = run.whole()
    snapshots.wait()
    if dist.get_rank() == 0:
        torch.save(expected, folder / "expected.pt")
        assert len(snapshots_in(folder / "run")) == min(number + 1, 2)


def _fail(folder: Path, run: Run, snapshots: Snapshots) -> None:
    """Let the disk be full for one process: the save fails for all, and leaves nothing."""
    before = sorted((folder / "run").iterdir())
    dist.barrier()  # until all have looked
    write = dcp.FileSystemWriter.write_data
    if dist.get_rank() == 1:
        dcp.FileSystemWriter.write_data = _full  # type: ignore[method-assign]
    snapshots.save(9, run.model, run.optimizer, run.stream(9), {})
    try:
        snapshots.wait()
        raise AssertionError("a save that failed said nothing")
    except VL2Error as error:
        assert "process 1: OSError [Errno 28] No space left on device" in str(error), error
    dcp.FileSystemWriter.write_data = write  # type: ignore[method-assign]
    dist.barrier()  # the first process removes what was written
    assert sorted((folder / "run").iterdir()) == before


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_weights_moments_and_biases_are_the_same_bits_in_every_layout(tmp_path):
    spawn(work, tmp_path, 4, "mla")
    assert len(list(tmp_path.glob("passed-*"))) == len(ROUTE)
    assert any("expert_bias" in name for name in torch.load(tmp_path / "expected.pt"))
