"""Why a plan refuses to reshard with split backward passes: PyTorch then gives wrong gradients without a word.

The plan's own check is taken away here. Should this test fail one day, the fault is gone and the refusal may go too.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.parallel.layouts import PLANS, WORLD, compare, laid_out, on_four
from tests.parallel.toy import Step, alone, toy, toy_config
from vl2.core.errors import ConfigError
from vl2.parallel.plan import SPLIT_BACKWARD, ParallelPlan

NAMES = ["pp2 fsdp2 ep2 1f1b", *(f"pp2 fsdp2 ep2 {schedule}" for schedule in SPLIT_BACKWARD)]
RIGHT = 2e-5  # of the largest gradient of a parameter
WRONG = 0.05


def reshards(name: str) -> ParallelPlan:
    return replace(PLANS[name], reshard_after_forward=True)


def work(rank: int, folder: str) -> None:
    ParallelPlan._check_schedule = lambda plan: None
    model = toy("mla")
    step = Step.of(3, has_images=True, config=model.config)
    expected, found = alone(model, step), {}
    for name in NAMES:
        try:
            found[name] = compare(laid_out("mla", reshards(name)), step, expected).relative
        except AssertionError as error:  # raised by all processes alike: some weights have no gradient at all
            found[name] = str(error)
    if rank == 0:
        torch.save(found, Path(folder) / "found.pt")


def test_resharding_spoils_split_backward_passes_and_no_others(tmp_path):
    on_four(work, tmp_path)
    found = torch.load(tmp_path / "found.pt")
    assert found.pop(NAMES[0]) <= RIGHT
    for outcome in found.values():
        assert "gradients are missing" in outcome if isinstance(outcome, str) else outcome > WRONG


@pytest.mark.parametrize("name", NAMES[1:])
def test_such_a_plan_is_refused(name):
    with pytest.raises(ConfigError, match=r"reshard_after_forward: gives wrong gradients .* expected False"):
        replace(reshards(name), num_microbatches=8).check(WORLD, toy_config("mla"))
