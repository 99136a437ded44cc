"""A snapshot is whole or not there: leftovers, broken and foreign ones, full disks; a run goes on as if never ended."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path

import pytest
import torch

from tests.train.snapshot_worlds import LANES, Run, different, little, small_files, world
from vl2.core.errors import VL2Error
from vl2.parallel.plan import ParallelPlan
from vl2.train.snapshots import Snapshots
from vl2.train.snapshots.folder import (
    INCOMPLETE,
    MANIFEST,
    REFUSED,
    REPLACED,
    Manifest,
    keep,
    seal,
    snapshot_path,
    snapshots_in,
    sweep,
)
from vl2.train.snapshots.load import load_weights

ALONE = ParallelPlan()


@pytest.fixture(autouse=True)
def alone(tmp_path):
    with world(tmp_path, "alone", 0, 1):
        yield


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run" / "snapshots"


def saved_run(folder: Path, *steps: int, keep_last: int = 3) -> tuple[Run, Snapshots]:
    run, snapshots = Run(little("mha"), ALONE), Snapshots(folder, keep_last)
    if steps:
        run.train(steps[0])
    for step in steps:
        snapshots.save(step, run.model, run.optimizer, run.stream(step), {"step": step})
    snapshots.wait()
    return run, snapshots


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_restored_from_nothing(folder):
    run = Run(little("mha"), ALONE)
    before = run.whole()
    assert Snapshots(folder, 1).restore(run.model, run.optimizer) is None
    assert not different(run.whole(), before)


def test_a_run_that_goes_on_has_the_losses_and_bits_of_one_that_never_stopped(folder):
    run, _ = saved_run(folder, 1, 2)
    state = random.getstate(), torch.get_rng_state()
    drawn = random.gauss(0, 1), torch.rand(3).tolist()
    losses = [run.train(seed) for seed in (3, 4)]
    random.seed(99)
    torch.manual_seed(99)
    again = Run(little("mha"), ALONE, goes_on=True)
    restored = Snapshots(folder, 3).restore(again.model, again.optimizer)
    assert restored is not None
    assert (restored.step, restored.extra, list(restored.stream.lanes)) == (2, {"step": 2}, LANES)
    assert random.getstate() == state[0] and torch.equal(torch.get_rng_state(), state[1])
    assert (random.gauss(0, 1), torch.rand(3).tolist()) == drawn
    assert [again.train(seed) for seed in (3, 4)] == losses
    assert not different(again.whole(), run.whole())


def test_what_is_trained_meanwhile_does_not_reach_the_snapshot(folder):
    run, snapshots = saved_run(folder)
    run.train(1)
    before = run.whole()
    snapshots.save(1, run.model, run.optimizer, run.stream(1), {})
    run.train(2)
    snapshots.wait()
    again = Run(little("mha"), ALONE, goes_on=True)
    Snapshots(folder, 3).restore(again.model, again.optimizer)
    assert not different(again.whole(), before)


def test_the_last_ones_are_kept(folder):
    saved_run(folder, 1, 2, 5, 10, keep_last=2)
    assert names(folder) == ["step-00000005", "step-00000010"]


def test_a_step_is_saved_anew_in_the_place_of_the_old(folder):
    run, snapshots = saved_run(folder, 1, 1)
    assert names(folder) == ["step-00000001"]
    again = Run(little("mha"), ALONE, goes_on=True)
    snapshots.restore(again.model, again.optimizer)
    assert not different(again.whole(), run.whole())


@pytest.mark.parametrize("breaks", ["tensors cut off", "tensors missing", "manifest cut off", "no manifest"])
def test_of_a_broken_snapshot_is_warned_and_the_one_before_is_used(folder, breaks):
    run, _ = saved_run(folder, 1)
    before = run.whole()
    snapshots = saved_run(folder, 2)[1]
    newest = snapshot_path(folder, 2)
    tensors = next(newest.glob("*.distcp"))
    if breaks == "tensors cut off":
        tensors.write_bytes(tensors.read_bytes()[:-100])
    elif breaks == "tensors missing":
        tensors.unlink()
    elif breaks == "manifest cut off":
        (newest / MANIFEST).write_bytes((newest / MANIFEST).read_bytes()[:-5])
    else:
        (newest / MANIFEST).unlink()
    again = Run(little("mha"), ALONE, goes_on=True)
    with pytest.warns(UserWarning, match="An older snapshot is used"):
        restored = snapshots.restore(again.model, again.optimizer)
    assert restored is not None and restored.step == 1
    assert not different(again.whole(), before)
    assert names(folder) == ["step-00000001", f"step-00000002{REFUSED}"]


def test_snapshots_of_another_model_are_refused_in_one_line_and_stay(folder):
    saved_run(folder, 1, 2)
    other = Run(little("mla"), ALONE)
    with pytest.raises(VL2Error, match="none of 2 snapshots can be used; .*of another model: ") as error:
        Snapshots(folder, 3).restore(other.model, other.optimizer)
    assert "\n" not in str(error.value)
    assert names(folder) == ["step-00000001", "step-00000002"]


def test_a_manifest_of_another_version_is_refused(folder):
    saved_run(folder, 1)
    path = snapshot_path(folder, 1) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    run = Run(little("mha"), ALONE)
    with pytest.raises(VL2Error, match=r"of another version \(got 99, expected 1\)"):
        Snapshots(folder, 3).restore(run.model, run.optimizer)


def test_a_full_disk_loses_nothing_and_the_run_goes_on(folder):
    run, snapshots = saved_run(folder, 1)
    before = run.whole()
    with small_files():
        snapshots.save(2, run.model, run.optimizer, run.stream(2), {})
        with pytest.raises(VL2Error, match="2: could not be saved: .*File too large.*Those before it are whole"):
            snapshots.wait()
    assert names(folder) == ["step-00000001"]
    again = Run(little("mha"), ALONE, goes_on=True)
    Snapshots(folder, 3).restore(again.model, again.optimizer)
    assert not different(again.whole(), before)
    run.train(3)
    snapshots.save(3, run.model, run.optimizer, run.stream(3), {})
    snapshots.wait()
    assert names(folder) == ["step-00000001", "step-00000003"]


def test_a_save_that_failed_unseen_is_told_by_the_next(folder):
    run, snapshots = saved_run(folder)
    with small_files():
        snapshots.save(1, run.model, run.optimizer, run.stream(1), {})
        with pytest.warns(UserWarning, match="step-00000001: could not be saved"):
            snapshots.save(2, run.model, run.optimizer, run.stream(2), {})
        with pytest.raises(VL2Error, match="step-00000002: could not be saved"):
            snapshots.wait()
    snapshots.save(3, run.model, run.optimizer, run.stream(3), {})
    snapshots.wait()
    assert names(folder) == ["step-00000003"]


def test_what_killed_saves_leave_is_swept_away_at_the_next_start(folder):
    saved_run(folder, 1, 2)
    snapshot_path(folder, 3).with_suffix(INCOMPLETE).mkdir()
    snapshot_path(folder, 2).rename(snapshot_path(folder, 2).with_suffix(REPLACED))  # killed between two renames
    snapshot_path(folder, 1).with_suffix(REPLACED).mkdir()
    run = Run(little("mha"), ALONE, goes_on=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        restored = Snapshots(folder, 3).restore(run.model, run.optimizer)
    assert restored is not None and restored.step == 2
    assert names(folder) == ["step-00000001", "step-00000002"]


def test_weights_alone_begin_another_stage(folder):
    run, _ = saved_run(folder, 1)
    again = Run(little("mha"), ALONE, goes_on=True)
    load_weights(folder, again.model)
    expected = {name: tensor for name, tensor in run.whole().items() if " of " not in name}
    assert not different(again.whole(), expected)
    with pytest.raises(VL2Error, match="of another model"):
        load_weights(folder, Run(little("mla"), ALONE).model)
    with pytest.raises(VL2Error, match="holds no snapshot"):
        load_weights(folder.parent / "elsewhere", again.model)


def test_bfloat16_moments_stay_bfloat16(folder):
    run, snapshots = saved_run(folder, 1)
    for state in run.optimizer.state.values():
        for kind in ("exp_avg", "exp_avg_sq"):
            state[kind] = state[kind].bfloat16()
    snapshots.save(2, run.model, run.optimizer, run.stream(2), {})
    snapshots.wait()
    again = Run(little("mha"), ALONE, goes_on=True)
    snapshots.restore(again.model, again.optimizer)
    assert {s["exp_avg"].dtype for s in again.optimizer.state.values()} == {torch.bfloat16}
    assert not different(again.whole(), run.whole())


def test_folders_alone(folder):
    for step in (9, 10, 123456789):
        draft = snapshot_path(folder, step).with_suffix(INCOMPLETE)
        draft.mkdir(parents=True)
        (draft / "a").write_text("a")
        seal(draft, Manifest(step=step, config={}, stream=None, extra={}, random=()))
    assert [path.name for path in snapshots_in(folder)] == ["step-123456789", "step-00000010", "step-00000009"]
    keep(folder, 2)
    sweep(folder)
    assert names(folder) == ["step-00000010", "step-123456789"]
