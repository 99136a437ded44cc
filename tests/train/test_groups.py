"""Who moves in which stage, how fast, and what weight decay leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.train.variants import toy_config
from vl2.core.errors import ConfigError
from vl2.model import VL2
from vl2.train.groups import parameter_groups
from vl2.train.paper import TABLE_2

COLUMNS = pytest.mark.parametrize("column", TABLE_2, ids="-".join)
UNDECAYED = ("norm.weight", "bias", "pos_embed", "tile_newline", "view_separator")


def grouped(column):
    """Return the model, its groups, and by parameter name its group."""
    model = VL2(toy_config(column[0]))
    groups = parameter_groups(model, TABLE_2[column])
    return model, groups, {name: group for group in groups for name in group["names"]}


@COLUMNS
def test_every_parameter_moves_once_or_stands_still(column):
    model, groups, found = grouped(column)
    assert sum(len(group["params"]) for group in groups) == len(found)
    for name, parameter in model.named_parameters():
        stands = name.startswith("vision.attention_pool.") or name.endswith("expert_bias")
        stands |= column[1] == "align" and name.startswith("language.")
        assert (name not in found) is stands, name
        assert parameter.requires_grad is not stands, name


@COLUMNS
def test_rates_and_decay(column):
    model, _, found = grouped(column)
    row = TABLE_2[column]
    for name, group in found.items():
        factor = 0.1 if name.startswith("vision.") else 1.0
        assert (group["rate_factor"], group["lr"]) == (factor, factor * row.learning_rate), name
        assert group["weight_decay"] == (0.0 if name.endswith(UNDECAYED) else 0.1), name
    undecayed = {name for name, group in found.items() if not group["weight_decay"]}
    assert undecayed == {
        name for name, p in model.named_parameters() if name in found and (p.ndim == 1 or name.endswith("pos_embed"))
    }


@COLUMNS
def test_an_optimizer_moves_what_the_groups_say_and_nothing_else(column):
    model, groups, found = grouped(column)
    row = TABLE_2[column]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    torch.optim.AdamW(groups, betas=row.betas, eps=row.eps).step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(found)
    # the first step of Adam is the rate itself, whatever the gradient
    bias = model.vision.blocks[0].mlp.up.bias.detach()
    step = float((before["vision.blocks.0.mlp.up.bias"] - bias).mean())
    assert step == pytest.approx(0.1 * row.learning_rate, rel=1e-2)


def test_a_pipeline_stage_has_only_the_groups_of_its_parts():
    model = VL2(toy_config("base"))
    stage = nn.ModuleDict({"language": model.language})
    assert {group["part"] for group in parameter_groups(stage, TABLE_2["base", "sft"])} == {"language"}
    assert parameter_groups(stage, TABLE_2["base", "align"]) == []


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ConfigError, match="other.weight: belongs to no part"):
        parameter_groups(nn.ModuleDict({"other": nn.Linear(2, 2)}), TABLE_2["base", "sft"])
