"""What is loaded is what was saved, in one file or in shards."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.weights.checkpoints import NAMES, RECORDED
from vl2.core.errors import WeightsError
from vl2.model import PRESETS, VL2, VL2Config
from vl2.model.config import QuantizationConfig
from vl2.weights import load_model, save_model
from vl2.weights.empty import empty_model
from vl2.weights.load import expected_tensors
from vl2.weights.save import config_to_dict
from vl2.weights.stored import MAX_INDEX_BYTES

SHARD = 300_000


def tensors_of(directory: Path) -> dict[str, torch.Tensor]:
    return {key: tensor for file in directory.glob("*.safetensors") for key, tensor in load_file(file).items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_shard_bytes", [10**9, SHARD])
def test_a_checkpoint_survives_loading_and_saving(name, max_shard_bytes, tmp_path):
    source = RECORDED / name / "checkpoint"
    model = load_model(source)
    saved = save_model(model, tmp_path / "saved", max_shard_bytes=max_shard_bytes, companions=source)

    theirs, ours = tensors_of(source), tensors_of(saved)
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert VL2Config.from_file(saved / "config.json") == model.config
    assert (saved / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()

    again = load_model(saved).state_dict()
    assert all(torch.equal(again[key], tensor) for key, tensor in model.state_dict().items())


def test_shards_are_named_and_indexed_as_the_official_ones(tmp_path):
    saved = save_model(load_model(RECORDED / "b_small_mla" / "checkpoint"), tmp_path / "x", max_shard_bytes=SHARD)
    shards = sorted(path.name for path in saved.glob("*.safetensors"))
    assert shards[0] == f"model-00001-of-{len(shards):06d}.safetensors"
    index = json.loads((saved / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert set(index["weight_map"].values()) == set(shards)
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in tensors_of(saved).values())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in saved.iterdir())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_type_is_stored_and_kept(dtype, tmp_path):
    model = load_model(RECORDED / "c_base_noaux" / "checkpoint")
    saved = save_model(model, tmp_path / "x", dtype=dtype)
    assert {tensor.dtype for tensor in tensors_of(saved).values()} == {dtype}
    kept = load_model(saved)
    assert {parameter.dtype for parameter in kept.parameters()} == {dtype}
    assert torch.equal(kept.tile_newline, model.tile_newline.to(dtype))
    widened = load_model(saved, dtype=torch.float32)
    assert {parameter.dtype for parameter in widened.parameters()} == {torch.float32}


def test_the_expert_bias_takes_no_gradient():
    model = load_model(RECORDED / "c_base_noaux" / "checkpoint")
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen == ["language.layers.1.mlp.router.expert_bias", "language.layers.2.mlp.router.expert_bias"]


@pytest.mark.parametrize("size", PRESETS)
def test_the_config_of_a_size_comes_back(size):
    written = config_to_dict(PRESETS[size], torch.bfloat16)
    assert VL2Config.from_dict(json.loads(json.dumps(written))) == PRESETS[size]


def test_fields_of_the_class_default_are_left_out():
    written = config_to_dict(PRESETS["small"], torch.bfloat16)
    assert "vocab_size" not in written["language_config"]  # 102400, as in the released file
    assert written["language_config"]["q_lora_rank"] is None  # the default is 1536
    assert written["projector_config"] == {"model_type": "mlp_projector"}
    assert written["torch_dtype"] == "bfloat16"


def test_an_existing_checkpoint_is_not_overwritten(tmp_path):
    model = VL2(PRESETS["pocket"])
    (tmp_path / "x").mkdir()
    save_model(model, tmp_path / "x")  # an empty directory is taken
    with pytest.raises(WeightsError, match="holds something already"):
        save_model(model, tmp_path / "x")


def test_folders_that_cannot_be_replaced_are_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for place in (Path(), tmp_path / "link"):
        with pytest.raises(WeightsError, match="cannot be replaced"):
            save_model(VL2(PRESETS["pocket"]), place)
    monkeypatch.chdir(tmp_path)
    save_model(VL2(PRESETS["pocket"]), tmp_path / "link")
    assert (tmp_path / "here" / "config.json").is_file()


def test_a_write_that_fails_leaves_nothing(tmp_path):
    # a limit on the size of a file stands for a full disk; it holds for a whole process
    code = f"""
import resource
from vl2.core.errors import WeightsError
from vl2.weights import load_model, save_model
model = load_model({str(RECORDED / "b_small_mla" / "checkpoint")!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    save_model(model, {str(tmp_path / "x")!r})
except WeightsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert "cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_index_of_the_largest_quantised_model_is_read() -> None:
    config = replace(PRESETS["base"], quantization_config=QuantizationConfig(bits=4))
    keys = expected_tensors(empty_model(config, torch.bfloat16))
    index = {"metadata": {}, "weight_map": dict.fromkeys(keys, "model-00001-of-00100.safetensors")}
    assert 2**20 < len(json.dumps(index, indent=2)) < MAX_INDEX_BYTES
