"""Equality 9: a run that was stopped and resumed is the uninterrupted run, bit for bit."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch

from tests.data.drawn import build_little_corpus
from tests.train.stage_toys import changes, log_of, recipe, tensors_of, write_start
from vl2.core.settings import build, load_yaml, override
from vl2.train.processes import process_group
from vl2.train.run import train
from vl2.train.stage_run import build_stage
from vl2.train.train_config import TrainConfig

NUM_STEPS, SAVE_EVERY, KILLED_AT = 6, 2, 5
# Base has all there is to forget: a bias that no gradient moves, moments in bf16, a schedule of steps.
RECIPE = recipe("base", "pretrain")
LOGGED = ("loss", "balance_loss", "grad_norm", "eval_loss", "tokens", "tiles", "expert_load", "learning_rates")


class KilledError(Exception):
    """What a run dies of, between two snapshots."""


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    corpus = build_little_corpus(tmp_path / "corpus")
    start = write_start(tmp_path / "start", "base", corpus)
    settings = {"num_steps": NUM_STEPS, "save_every": SAVE_EVERY, "eval_every": 3, "keep_last": NUM_STEPS,
                "eval_data": [str(corpus / "data" / "read_word")]}  # fmt: skip
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    train(RECIPE, changes(corpus, start, whole, **settings))
    assignments = changes(corpus, start, halves, **settings)
    config = build(TrainConfig, override(load_yaml(RECIPE), assignments), thing="recipe")
    with process_group() as device, ExitStack() as opened, pytest.raises(KilledError):
        trainer = build_stage(config, device, opened)

        def die(figures) -> None:
            if figures.step == KILLED_AT:
                trainer.parts.snapshots.wait()  # else how far the last one came would be chance
                raise KilledError

        trainer.run(die)
    train(RECIPE, assignments)
    for step in range(SAVE_EVERY, NUM_STEPS + 1, SAVE_EVERY):
        expected, found = (tensors_of(out / f"step-{step:08d}") for out in (whole, halves))
        assert expected.keys() == found.keys() and any(key.endswith("expert_bias") for key in expected)
        assert [key for key in expected if not torch.equal(expected[key], found[key])] == []
    written = {line["step"]: line for line in log_of(whole)}
    resumed = log_of(halves)
    assert [line["step"] for line in resumed] == [5, 6]  # those before were told to nobody
    for line in resumed:
        assert {name: line.get(name) for name in LOGGED} == {name: written[line["step"]].get(name) for name in LOGGED}
