"""AdamW with moments in bf16 follows torch's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from vl2.train.adamw import adamw
from vl2.train.paper import TABLE_2

ROW = TABLE_2["base", "pretrain"]
CPU = torch.device("cpu")


def trained(num_steps: int, *, in_bf16: bool) -> torch.Tensor:
    """Return a weight after so many noisy steps towards a target."""
    generator = torch.Generator().manual_seed(3)
    weight, target = nn.Parameter(torch.zeros(64, 32)), torch.randn(64, 32, generator=generator)
    groups = [{"params": [weight], "names": ["weight"], "lr": 1e-2, "weight_decay": 0.1}]
    optimizer = adamw(groups, replace(ROW, has_bf16_states=in_bf16), CPU)
    for _ in range(num_steps):
        weight.grad = weight.detach() - target + 0.1 * torch.randn(64, 32, generator=generator)
        optimizer.step()
    moments = {state.dtype for kind, state in optimizer.state[weight].items() if kind != "step"}
    assert moments == {torch.bfloat16 if in_bf16 else torch.float32}
    return weight.detach()


@pytest.mark.parametrize(("num_steps", "tolerance"), [(1, 1e-6), (100, 0.02)])  # of the weights, which are about 1
def test_moments_in_bf16_train_as_those_in_float32(num_steps, tolerance):
    difference = (trained(num_steps, in_bf16=True) - trained(num_steps, in_bf16=False)).abs()
    assert float(difference.max()) < tolerance


def test_what_has_no_gradient_stands_still():
    weight = nn.Parameter(torch.ones(4))
    optimizer = adamw([{"params": [weight], "names": ["weight"], "lr": 1.0, "weight_decay": 0.1}], ROW, CPU)
    optimizer.step()
    assert torch.equal(weight.detach(), torch.ones(4))


def test_a_process_without_moving_weights_has_an_optimizer_too():
    for in_bf16 in (True, False):
        optimizer = adamw([], replace(ROW, has_bf16_states=in_bf16), CPU)
        optimizer.step()
        assert [group["params"] for group in optimizer.param_groups] == [[]]
