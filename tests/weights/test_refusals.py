"""A checkpoint that does not fit is refused in one line that says what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.weights.checkpoints import change_json, change_tensors, copy_checkpoint
from vl2.core.errors import ConfigError, VL2Error, WeightsError
from vl2.weights import load_model, save_model
from vl2.weights.hub import find_checkpoint

NORM = "language.model.norm.weight"


def refusal(path: Path | str, error: type[VL2Error] = WeightsError) -> str:
    with pytest.raises(error) as caught:
        load_model(path)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return copy_checkpoint(tmp_path)


@pytest.fixture
def sharded(tmp_path: Path, checkpoint: Path) -> Path:
    return save_model(load_model(checkpoint), tmp_path / "sharded", max_shard_bytes=300_000)


def test_missing_tensors_are_named_and_counted(checkpoint):
    change_tensors(checkpoint, lambda tensors: [tensors.pop(f"vision.norm.{kind}") for kind in ("weight", "bias")])
    line = refusal(checkpoint)
    assert "2 of" in line
    assert "'vision.norm.weight', 'vision.norm.bias'" in line


def test_an_unknown_tensor_is_named_with_its_neighbour(checkpoint):
    change_tensors(checkpoint, lambda tensors: tensors.update({"language.model.norm.wait": torch.ones(1)}))
    line = refusal(checkpoint)
    assert "1 tensors have no place" in line
    assert f"Did you mean {NORM!r}?" in line


def test_a_wrong_shape_is_shown(checkpoint):
    change_tensors(checkpoint, lambda tensors: tensors.update({NORM: torch.ones(7)}))
    line = refusal(checkpoint)
    assert NORM in line
    assert "got [7]" in line


def test_a_vocabulary_that_does_not_fit_names_the_field(checkpoint):
    change_json(checkpoint / "config.json", lambda values: values["language_config"].update(vocab_size=129280))
    line = refusal(checkpoint)
    assert "language_config.vocab_size" in line
    assert "got 129280" in line


def test_a_quantized_tensor_is_not_taken_for_a_weight(checkpoint):
    change_tensors(checkpoint, lambda tensors: tensors.update({NORM: tensors[NORM].to(torch.int8)}))
    assert "got I8" in refusal(checkpoint)


@pytest.mark.parametrize("size", [0, 5, 5000, 1_000_000])
def test_a_file_that_is_cut_off(checkpoint, size):
    os.truncate(checkpoint / "model.safetensors", size)
    assert "broken or cut off" in refusal(checkpoint)


def test_a_file_of_noise(checkpoint):
    (checkpoint / "model.safetensors").write_bytes(b"\xff" * 4096)
    assert "broken or cut off" in refusal(checkpoint)


@pytest.mark.parametrize(
    "name", ["../elsewhere.safetensors", "/etc/passwd", "sub/x.safetensors", "..\\x.safetensors", ".."]
)
def test_an_index_stays_in_its_folder(sharded, name):
    save_file({NORM: torch.ones(64)}, sharded.parent / "elsewhere.safetensors")
    change_json(sharded / "model.safetensors.index.json", lambda values: values["weight_map"].update({NORM: name}))
    assert "outside its folder" in refusal(sharded)


def test_a_missing_shard_is_named(sharded):
    (sharded / "model-00002-of-000008.safetensors").unlink()
    assert "model-00002-of-000008.safetensors: no such file" in refusal(sharded)


def test_a_shard_that_lacks_what_the_index_promises(sharded):
    change_json(
        sharded / "model.safetensors.index.json",
        lambda values: values["weight_map"].update({"image_newline": "model-00008-of-000008.safetensors"}),
    )
    assert "lacks 1 of its tensors" in refusal(sharded)


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 1}}', "{}"])
def test_an_index_that_is_none(sharded, text):
    (sharded / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    refusal(sharded)


@pytest.mark.parametrize("text", ["{", "[]", '{"nonsense": 1}'])
def test_a_config_that_is_none(checkpoint, text):
    (checkpoint / "config.json").write_text(text, encoding="utf-8")
    refusal(checkpoint, ConfigError)


def test_a_folder_without_weights(checkpoint):
    (checkpoint / "model.safetensors").unlink()
    assert "holds no weights" in refusal(checkpoint)


@pytest.mark.parametrize("name", ["tinyy", "a/b/c", "./nowhere", "/nowhere/at/all", "owner/not a name"])
def test_a_name_of_nothing(name):
    refusal(name)


def test_short_names_are_suggested():
    with pytest.raises(WeightsError, match="Did you mean 'tiny'"):
        find_checkpoint("tinyy")


def test_a_repository_that_is_not_cached(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert "neither cached nor fetched" in refusal("nobody/nothing")
