"""The trainer of the paper's stages: it learns, on two processes as on one, and leaves out what would break it."""

from __future__ import annotations

import pytest
import torch

from tests.train.stage_toys import changes, log_of, recipe, tensors_of, train_on_two
from vl2.train.run import train
from vl2.train.snapshot_tensors import MODEL

TOLERANCE = 1e-5  # of losses and gradient norms, relative
LAYOUTS = {
    ("tiny", "pretrain"): {"dp_shard": 2},  # tiles are levelled
    ("small", "pretrain"): {"pp": 2},
    ("small", "align"): {"pp": 2},  # one process has nothing but what stands still
    ("base", "pretrain"): {"tp": 2, "ep": 2},
}


def assert_same(found: list[dict], expected: list[dict]) -> None:
    assert [line["step"] for line in found] == [line["step"] for line in expected] == [1, 2, 3]
    for one, other in zip(found, expected, strict=True):
        for name in ("tokens", "tiles", "supervised_tokens", "learning_rates"):
            assert one[name] == other[name], name
        for name in ("loss", "grad_norm", "max_violation"):
            assert one[name] == pytest.approx(other[name], rel=TOLERANCE), name


def test_two_processes_train_as_one(corpus, starts, tmp_path):
    jobs, alone = [], []
    for (variant, stage), layout in LAYOUTS.items():
        path, out = recipe(variant, stage), tmp_path / variant / stage
        settings = {"num_lanes": 2, "num_steps": 3, "microbatch": 1, "warmup_steps": 0}
        jobs.append((path, changes(corpus, starts[variant], out / "two", **settings, **layout)))
        alone.append((path, changes(corpus, starts[variant], out / "one", **settings)))
    train_on_two(jobs)
    for (variant, stage), (path, assignments) in zip(LAYOUTS, alone, strict=True):
        train(path, assignments)
        out = tmp_path / variant / stage
        assert_same(log_of(out / "two"), log_of(out / "one"))
        expected, found = tensors_of(out / "one"), tensors_of(out / "two")
        assert expected.keys() == found.keys()
        standing = [key for key in found if stage == "align" and key.startswith(f"{MODEL}language.")]
        assert all(torch.equal(found[key], expected[key]) for key in standing)
        biases = [key for key in found if key.endswith("expert_bias")]
        assert all(torch.equal(found[key], expected[key]) for key in biases)
