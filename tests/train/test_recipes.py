"""Every recipe trains a toy of its variant for two steps, changed on the command line alone."""

from __future__ import annotations

import pytest
import torch

from tests.train.stage_toys import changes, log_of, recipe, tensors_of
from vl2.train.groups import NEVER
from vl2.train.paper import TABLE_2
from vl2.train.run import train
from vl2.train.snapshots.tensors import MODEL, OPTIMIZER
from vl2.train.stages import STAGES
from vl2.weights import load_model


@pytest.mark.parametrize("column", TABLE_2, ids="-".join)
def test_a_recipe_moves_what_its_stage_trains_and_nothing_else(column, corpus, starts, tmp_path):
    variant, stage = column
    out = tmp_path / "run"
    train(recipe(*column), changes(corpus, starts[variant], out, warmup_steps=0))
    row, found, moved = TABLE_2[column], tensors_of(out), set()
    for name, parameter in load_model(starts[variant]).named_parameters():
        if not torch.equal(found[f"{MODEL}{name}"], parameter):
            moved.add(name)
    biases = {key.removeprefix(MODEL) for key in found if key.startswith(MODEL) and key.endswith("expert_bias")}
    assert bool(biases) == (variant == "base")
    trained = {key.removeprefix(MODEL) for key in found if key.startswith(MODEL)} - biases
    expected = {name for name in trained if name.startswith(STAGES[stage].trains) and not name.startswith(NEVER)}
    assert moved == expected | (biases if row.bias_step else set())
    moments = {tensor.dtype for key, tensor in found.items() if key.startswith(f"{OPTIMIZER}exp_avg")}
    assert moments == {torch.bfloat16 if row.has_bf16_states else torch.float32}
    lines = log_of(out)
    assert [line["step"] for line in lines] == [1, 2]
    assert all(line["tiles"] and line["supervised_tokens"] < line["tokens"] for line in lines)


def test_a_stage_begins_where_the_one_before_ended(corpus, starts, tmp_path):
    align, pretrain = tmp_path / "align", tmp_path / "pretrain"
    train(recipe("tiny", "align"), changes(corpus, starts["tiny"], align))
    train(recipe("tiny", "pretrain"), changes(corpus, align, pretrain, learning_rate=0.0, num_steps=1))
    before, after = tensors_of(align), tensors_of(pretrain)
    weights = [key for key in before if key.startswith(MODEL)]
    assert weights and all(torch.equal(before[key], after[key]) for key in weights)
    assert all(float(after[key]) == 1 for key in after if key.startswith(f"{OPTIMIZER}step."))  # moments begin anew
