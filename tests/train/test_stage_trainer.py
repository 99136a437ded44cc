"""The trainer of the paper's stages: it learns, on two processes as on one, and leaves out what would break it."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing import ProcessRaisedException

from tests.processes import start
from tests.train.stage_toys import changes, free_ports, log_of, recipe, tensors_of, train_all, train_on_two
from vl2.core.errors import ConfigError, VL2Error
from vl2.train.launch import launch
from vl2.train.run import train
from vl2.train.snapshots.tensors import MODEL
from vl2.train.watch import SpikeLimits

NUM_STEPS = 3
TOLERANCE = 1e-5  # of losses and gradient norms, relative
LAYOUTS = {
    ("tiny", "pretrain"): {"dp_shard": 2},  # tiles are levelled
    ("small", "align"): {"pp": 2},  # one process has nothing but what stands still
    ("base", "pretrain"): {"tp": 2, "ep": 2},
}


def assert_same(found: list[dict], expected: list[dict]) -> None:
    assert [line["step"] for line in found] == [line["step"] for line in expected]
    for one, other in zip(found, expected, strict=True):
        for name in ("tokens", "tiles", "supervised_tokens", "learning_rates"):
            assert one[name] == other[name], name
        for name in ("loss", "grad_norm", "max_violation"):
            assert one[name] == pytest.approx(other[name], rel=TOLERANCE), name


def test_two_processes_train_as_one(corpus, starts, tmp_path):
    jobs, alone = [], []
    for (variant, stage), layout in LAYOUTS.items():
        path, out = recipe(variant, stage), tmp_path / variant / stage
        settings = {"num_lanes": 2, "num_steps": NUM_STEPS, "microbatch": 1, "warmup_steps": 0}
        jobs.append((path, changes(corpus, starts[variant], out / "two", **settings, **layout)))
        alone.append((path, changes(corpus, starts[variant], out / "one", **settings)))
    train_on_two(jobs)
    for (variant, stage), (path, assignments) in zip(LAYOUTS, alone, strict=True):
        train(path, assignments)
        out = tmp_path / variant / stage
        assert len(log_of(out / "two")) == NUM_STEPS
        assert_same(log_of(out / "two"), log_of(out / "one"))
        expected, found = tensors_of(out / "one"), tensors_of(out / "two")
        assert expected.keys() == found.keys()
        standing = [key for key in found if stage == "align" and key.startswith(f"{MODEL}language.")]
        assert all(torch.equal(found[key], expected[key]) for key in standing)
        biases = [key for key in found if key.endswith("expert_bias")]
        assert all(torch.equal(found[key], expected[key]) for key in biases)
    out = tmp_path / "tiny" / "pretrain"
    for run in (out / "two", out / "one"):  # what two began, one goes on with; lanes stay as many as they were
        train(recipe("tiny", "pretrain"), changes(corpus, starts["tiny"], run, num_steps=4, microbatch=1))
    assert_same(log_of(out / "two")[3:], log_of(out / "one")[3:])


def train_on_other_samples(rank, ports, assignments):
    train_all(rank, ports, [(recipe("tiny", "pretrain"), [*assignments, f"seed={rank}"])])


def test_processes_that_share_their_data_and_read_other_samples_end_the_run(corpus, starts, tmp_path):
    assignments = changes(corpus, starts["tiny"], tmp_path / "run", microbatch=1, tp=2)
    with pytest.raises(ProcessRaisedException, match="processes that share their data have read different samples"):
        start(train_on_other_samples, free_ports(1), assignments, count=2)


def test_a_stage_learns_and_is_looked_at_on_what_it_does_not_learn_from(corpus, starts, tmp_path):
    settings = {"num_steps": 16, "learning_rate": 5e-3, "warmup_steps": 2, "save_every": 100, "eval_every": 8,
                "eval_data": [str(corpus / "data" / "shapes")]}  # fmt: skip
    train(recipe("tiny", "pretrain"), changes(corpus, starts["tiny"], tmp_path / "run", **settings))
    lines = log_of(tmp_path / "run")
    assert lines[-1]["loss"] < lines[0]["loss"] - 1.5
    looks = {line["step"]: line["eval_loss"] for line in lines if "eval_loss" in line}
    assert list(looks) == [8, 16] and looks[16] < looks[8]


def test_broken_steps_move_nothing_and_end_the_run_with_their_batch_kept(corpus, starts, tmp_path):
    out = tmp_path / "run"
    settings = {"num_steps": 12, "learning_rate": 1e30, "warmup_steps": 0, "save_every": 1, "keep_last": 12}
    with pytest.raises(VL2Error, match="too many steps were left out .*stopped_batch-0.safetensors"):
        train(recipe("base", "pretrain"), changes(corpus, starts["base"], out, **settings))
    assert load_file(out / "stopped_batch-0.safetensors")["0.input_ids"].shape == (2, 384)
    spikes = [line["step"] for line in log_of(out) if "spikes" in line]
    assert len(spikes) == SpikeLimits().most_in_a_row
    before = tensors_of(out / f"step-{spikes[0] - 1:08d}")  # the last step was not saved
    for step in spikes[:-1]:
        after = tensors_of(out / f"step-{step:08d}")
        assert all(torch.equal(after[key], tensor) for key, tensor in before.items())


def test_a_run_goes_on_in_its_own_stage_only(corpus, starts, tmp_path):
    train(recipe("tiny", "align"), changes(corpus, starts["tiny"], tmp_path / "run", num_steps=1))
    with pytest.raises(ConfigError, match="stage: .* holds another run"):
        train(recipe("tiny", "sft"), changes(corpus, starts["tiny"], tmp_path / "run"))


def test_base_wants_routers_with_a_bias(corpus, starts, tmp_path):
    with pytest.raises(ConfigError, match="balances by a bias that the routers of .* lack"):
        train(recipe("base", "sft"), changes(corpus, starts["tiny"], tmp_path / "run"))


def test_a_layout_for_more_processes_than_there_is_room_for_is_refused(corpus, starts, tmp_path):
    with pytest.raises(ConfigError, match="its layout takes 4096 processes"):
        launch(recipe("tiny", "sft"), changes(corpus, starts["tiny"], tmp_path, dp_shard=4096, batch_size=4096,
                                              microbatch=1))  # fmt: skip
