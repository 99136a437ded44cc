"""Snapshots become model folders and back, bit for bit in bfloat16, by processes of no group."""

from __future__ import annotations

import json

import pytest
import torch

from tests.cli.running import run as run_verb
from tests.train.snapshot_worlds import Run, different, little, small_files, world
from vl2.core.errors import VL2Error
from vl2.corpus.pocket.vocabulary import write_processor
from vl2.parallel.plan import ParallelPlan
from vl2.train.export import convert
from vl2.train.snapshots import Snapshots
from vl2.train.snapshots.folder import MANIFEST, snapshot_path
from vl2.train.snapshots.load import load_weights
from vl2.train.snapshots.stored import StoredSnapshot, newest_snapshot
from vl2.weights import load_model


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processor")
    write_processor(folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, processor):
    """A run of two snapshots, and the weights at its end."""
    folder = tmp_path_factory.mktemp("trained")
    with world(folder, "alone", 0, 1):
        run, snapshots = Run(little("mla"), ParallelPlan()), Snapshots(folder / "run", 3)
        for step in (1, 2):
            run.train(step)
            extra = {"config": {"tokenizer": None, "model": str(processor)}}
            snapshots.save(step, run.model, run.optimizer, run.stream(step), extra)
        snapshots.wait()
        return folder / "run", {name: tensor for name, tensor in run.whole().items() if " of " not in name}


def test_a_run_becomes_a_model_folder_and_that_the_start_of_another(trained, processor, tmp_path):
    folder, weights = trained
    model, start = tmp_path / "model", tmp_path / "start"
    assert run_verb("convert", folder, model).exit_code == 0
    rounded = {name: tensor.bfloat16() for name, tensor in weights.items()}
    assert not different(dict(load_model(model).named_parameters()), rounded)
    assert {path.name for path in processor.iterdir()} < {path.name for path in model.iterdir()}
    assert run_verb("convert", model, start).exit_code == 0
    with world(tmp_path, "again", 0, 1):
        again = Run(little("mla"), ParallelPlan(), goes_on=True)
        load_weights(start, again.model)
        assert not different(again.whole(), {name: tensor.float() for name, tensor in rounded.items()})
        with pytest.raises(VL2Error, match="is the start of a run"):
            Snapshots(start, 3).restore(again.model, again.optimizer)
    convert(str(start), tmp_path / "back")
    files = ("model.safetensors", "config.json", "tokenizer.json")
    assert all((tmp_path / "back" / name).read_bytes() == (model / name).read_bytes() for name in files)


def test_one_snapshot_can_be_named_and_another_tokenizer(trained, processor, tmp_path):
    convert(str(snapshot_path(trained[0], 1)), tmp_path / "model", str(processor))
    first = StoredSnapshot(snapshot_path(trained[0], 1))
    name = "language.layers.1.mlp.routed_experts.up"
    assert torch.equal(load_model(tmp_path / "model").get_parameter(name), first.read(f"model.{name}").bfloat16())
    assert first.manifest.step == 1 and newest_snapshot(trained[0]).manifest.step == 2


def test_what_cannot_be_converted_is_one_line(trained, processor, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(VL2Error, match="holds no snapshot"):
        convert(str(tmp_path / "empty"), tmp_path / "model")
    with pytest.raises(VL2Error, match=r"has no tokenizer\.json.*--tokenizer"):
        convert(str(trained[0]), tmp_path / "model", str(tmp_path / "empty"))
    convert(str(trained[0]), tmp_path / "model")
    with pytest.raises(VL2Error, match="holds something already"):
        convert(str(tmp_path / "model"), processor)
    with pytest.raises(VL2Error, match="holds something already"):
        convert(str(trained[0]), processor)


def test_a_full_disk_leaves_no_half_of_a_start(trained, processor, tmp_path):
    convert(str(trained[0]), tmp_path / "model")
    with small_files(), pytest.raises(VL2Error, match="cannot be written: .*File too large"):
        convert(str(tmp_path / "model"), tmp_path / "start")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_broken_snapshot_is_passed_over_with_a_warning(trained, tmp_path):
    broken = snapshot_path(trained[0], 3)
    broken.mkdir()
    (broken / MANIFEST).write_text(json.dumps({"version": 1}))
    with pytest.warns(UserWarning, match="An older snapshot is used.*manifest.json: cannot be read"):
        assert newest_snapshot(trained[0]).manifest.step == 2
    with pytest.raises(VL2Error, match="cannot be read"):
        convert(str(broken), tmp_path / "model")
    (broken / MANIFEST).unlink()
    broken.rmdir()
