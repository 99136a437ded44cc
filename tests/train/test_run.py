"""Recipes load; a run learns, is saved whole, and goes on after a stop as if there had been none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vl2.core.errors import VL2Error
from vl2.core.settings import build, load_yaml
from vl2.corpus.pocket import TASKS
from vl2.corpus.pocket.build import CorpusConfig
from vl2.train import checkpoint
from vl2.train.export import export
from vl2.train.pocket import objective
from vl2.train.pocket.config import RunConfig
from vl2.train.pocket.trainer import _share_taken
from vl2.train.run import train
from vl2.train.stages import STAGES

RECIPES = Path(__file__).parents[2] / "recipes" / "pocket"
RECIPE_OF_TEST = {
    "stage": "pretrain",
    "mix": {"read_word": 1.0, "ground": 1.0},
    "num_steps": 4,
    "batch_size": 4,
    "log_every": 1,
    "save_every": 2,
    "precision": "float32",
}


@pytest.fixture
def recipe(corpus, tmp_path):
    places = {"data": str(corpus / "data"), "tokenizer": str(corpus / "processor"), "out": str(tmp_path / "run")}
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(RECIPE_OF_TEST | places))  # JSON is YAML
    return path


def log_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_recipes_name_stages_and_tasks_that_exist():
    recipes = sorted(RECIPES.glob("*.yaml"))
    assert recipes
    for path in recipes:
        assert len(path.read_text().splitlines()) <= 80
        if path.stem in ("corpus", "replay"):
            config = build(CorpusConfig, load_yaml(path), thing=path.name)
            assert set(config.train) <= set(TASKS) and (path.stem == "replay" or set(config.heldout) == set(TASKS))
        else:
            config = build(RunConfig, load_yaml(path), thing=path.name)
            assert config.stage in STAGES and set(config.mix) <= set(TASKS)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_moves_what_it_trains_and_nothing_else(recipe, tmp_path, stage):
    train(recipe, [f"stage={stage}", "num_steps=1", "out=" + str(tmp_path / "first")])
    train(recipe, [f"stage={stage}", "num_steps=2", "seed=0", "out=" + str(tmp_path / "second")])
    first, _ = checkpoint.load_checkpoint(tmp_path / "first" / "checkpoint")
    second, _ = checkpoint.load_checkpoint(tmp_path / "second" / "checkpoint")
    moved = {name for name in first if name.startswith("model.") and not torch.equal(first[name], second[name])}
    assert moved
    assert all(name.removeprefix("model.").startswith(STAGES[stage].trains) for name in moved)


@pytest.mark.parametrize("large_share", [1.0, 0.1])  # a stream whose samples are left out here and there
def test_a_stopped_run_goes_on_as_if_there_had_been_no_stop(recipe, tmp_path, large_share):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    settings = ["decay_from=1.0", f"large_share={large_share}"]
    train(recipe, [f"out={whole}", *settings])
    train(recipe, [f"out={halves}", *settings, "num_steps=2"])
    train(recipe, [f"out={halves}", *settings])
    expected, _ = checkpoint.load_checkpoint(whole / "checkpoint")
    found, state = checkpoint.load_checkpoint(halves / "checkpoint")
    assert state["step"] == 4
    assert state["taken"][0] == 16 if large_share == 1 else state["taken"][0] > 16
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert [line["step"] for line in log_of(halves)] == [1, 2, 3, 4]


def test_another_number_of_processes_sees_no_sample_twice():
    assert _share_taken([7, 9], rank=0, world_size=2) == 7
    alone = _share_taken([7, 9], rank=0, world_size=1)
    assert alone == 18  # two took turns: the one that went furthest has seen number 17
    assert [_share_taken([5], rank, world_size=2) for rank in (0, 1)] == [3, 3]


def test_a_step_without_a_finite_gradient_moves_nothing_and_too_many_end_the_run(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(objective, "next_token_loss", lambda logits, targets: logits.sum() * float("nan"))
    out = tmp_path / "broken"
    with pytest.raises(VL2Error, match=r"5 in a row.*stopped_batch-0"):
        train(recipe, [f"out={out}", "num_steps=9", "save_every=4"])
    tensors, state = checkpoint.load_checkpoint(out / "checkpoint")
    assert state["step"] == 4 and all(tensor.isfinite().all() for tensor in tensors.values())
    assert (out / "stopped_batch-0.safetensors").is_file()
    assert all("loss is nan" in line["spikes"][0]["reason"] for line in log_of(out))


def test_an_export_loads_and_equals_its_run(recipe, tmp_path):
    from vl2.weights import load_model

    train(recipe, ["num_steps=1"])
    export(tmp_path / "run", tmp_path / "model")
    tensors, _ = checkpoint.load_checkpoint(tmp_path / "run" / "checkpoint")
    for name, parameter in load_model(tmp_path / "model").named_parameters():
        assert torch.equal(parameter, tensors[f"model.{name}"].to(torch.bfloat16)), name


def test_a_save_that_is_cut_off_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoint"
    checkpoint.save_checkpoint(folder, {"x": torch.ones(2)}, {"step": 1})

    def full_disk(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save_checkpoint(folder, {"x": torch.zeros(2)}, {"step": 2})
    tensors, state = checkpoint.load_checkpoint(folder)
    assert state == {"step": 1} and tensors["x"].tolist() == [1.0, 1.0]
    folder.rename(folder.with_name("checkpoint.old"))  # as a kill between the two renames leaves it
    with pytest.raises(OSError, match="No space"):
        checkpoint.save_checkpoint(folder, {"x": torch.zeros(2)}, {"step": 3})
    assert checkpoint.load_checkpoint(folder)[1] == {"step": 1}


def test_an_unknown_stage_or_setting_is_one_line(recipe):
    with pytest.raises(VL2Error, match="unknown stage"):
        train(recipe, ["stage=pretraining"])
    with pytest.raises(VL2Error, match="Did you mean 'batch_size'"):
        train(recipe, ["batchsize=3"])
