"""A quantised checkpoint loads in its own size, answers nearly as its original, and is written whole or not at all."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from tests.weights.checkpoints import NAMES, RECORDED, change_json, change_tensors, copy_checkpoint
from vl2.core.batch import IGNORE_INDEX, Batch, ModelInput
from vl2.core.errors import ConfigError, WeightsError
from vl2.core.tiles import TileGrid
from vl2.kernels.quantized import dequantize
from vl2.model import PRESETS, VL2, VL2Config
from vl2.model.config import QuantizationConfig
from vl2.model.moe import MoE
from vl2.weights import find_checkpoint, load_model, plan_memory, save_model
from vl2.weights.calibrate import calibrate
from vl2.weights.empty import model_tensors
from vl2.weights.preflight import count_bytes
from vl2.weights.quantize import quantize_checkpoint
from vl2.weights.quantized_model import quantized_weights
from vl2.weights.streamed import streamed_model

INT8, INT4 = QuantizationConfig(bits=8, group=32), QuantizationConfig(bits=4, group=32, head_bits=4)
MLA = RECORDED / "b_small_mla" / "checkpoint"
ROOM = namedtuple("ROOM", "total used free")


def batch_of(config: VL2Config, lengths: tuple[int, ...] = (150, 40)) -> Batch:
    """Return rows of a picture each and some text, padded."""
    torch.manual_seed(0)
    vision, grid = config.vision_config, TileGrid(1, 1)
    num_visual = grid.num_visual_tokens(config.tile_side)
    rows = []
    for extra in lengths:
        ids = torch.randint(2, 200, (num_visual + extra,))
        tiles = torch.rand(1, 3, vision.image_size, vision.image_size) * 2 - 1
        mask = torch.arange(len(ids)) < num_visual
        rows.append(ModelInput(ids, ids.masked_fill(mask, IGNORE_INDEX), mask, tiles, (grid,)))
    return Batch.from_inputs([[row] for row in rows], 0)


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return pocket, and pocket in 8 and in 4 bits."""
    folder = tmp_path_factory.mktemp("pocket")
    written = {
        name: quantize_checkpoint("pocket", folder / name, config) for name, config in (("8", INT8), ("4", INT4))
    }
    return {"original": find_checkpoint("pocket"), **written}


@torch.inference_mode()
def logits_of(folder: Path, batch: Batch) -> torch.Tensor:
    return load_model(folder, dtype=torch.float32)(batch).logits[batch.documents > 0]


@pytest.mark.parametrize(("bits", "bound"), [("8", 0.001), ("4", 0.05)])
def test_pocket_expects_nearly_the_same(pocket, bits, bound):
    batch = batch_of(PRESETS["pocket"])
    theirs, ours = (logits_of(pocket[name], batch).log_softmax(-1) for name in ("original", bits))
    divergence = (theirs.exp() * (theirs - ours)).sum(-1).mean()
    assert 0 < divergence < bound


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_model_is_quantised_and_computes_with_its_weights(name, tmp_path):
    source = RECORDED / name / "checkpoint"
    folder = quantize_checkpoint(source, tmp_path / "x", INT8, max_shard_bytes=100_000)
    assert len(list(folder.glob("*.safetensors"))) > 2
    assert (folder / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    quantized, plain = load_model(folder), load_model(source)
    for weight_name, weight in quantized_weights(quantized).items():
        plain.get_parameter(weight_name).data.copy_(dequantize(weight.tensor))
    batch = batch_of(plain.config)
    with torch.inference_mode():
        ours, theirs = quantized(batch), plain(batch)
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-4, rtol=1e-4)
    kept = ("norm.weight", "router.weight", "latent_up.weight", "patch_embed.weight")
    assert all(
        name.endswith((*kept, "bias")) or "." not in name or "pos_embed" in name or ".latent" in name
        for name, _ in quantized.named_parameters()
    )


def test_what_is_loaded_is_what_was_planned(pocket):
    for name in ("8", "4"):
        model = load_model(pocket[name])
        held = sum(tensor.nbytes for _, tensor in model_tensors(model))
        assert held == count_bytes(model.config, torch.bfloat16)
        plans = [
            plan_memory(config, dtype=torch.bfloat16, context_tokens=10, num_tiles=1)
            for config in (model.config, replace(model.config, quantization_config=None))
        ]
        assert plans[0].weights == held < plans[1].weights
        assert plans[0].num_parameters == plans[1].num_parameters
        assert model.config.quantization_config == (INT8 if name == "8" else INT4)


def test_experts_of_other_devices_can_still_be_dispatched(pocket):
    moe = next(module for module in load_model(pocket["8"]).modules() if isinstance(module, MoE))
    assert moe.dispatch == moe.routed_experts.forward


def test_a_streamed_model_is_the_model_in_long_rows_too(monkeypatch):
    monkeypatch.setattr("vl2.model.language.LONG_ROW", 1)  # each row's documents are told by their lengths
    test_a_streamed_model_is_the_model()


def test_a_streamed_model_is_the_model():
    batch = batch_of(VL2Config.from_file(MLA / "config.json"), tuple(range(20, 31)))  # more rows than run at once
    with streamed_model(MLA) as streamed, torch.inference_mode():
        ours = streamed.model(batch).logits
        assert all(parameter.is_meta for parameter in streamed.model.language.layers.parameters())
        theirs = load_model(MLA)(batch).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_moments_are_those_of_what_each_weight_reads():
    model = load_model(MLA)
    batch = batch_of(model.config)
    real = batch.documents > 0
    read: dict[str, torch.Tensor] = {}
    names = ["vision.blocks.0.mlp.down", "adaptor.output", "language.layers.1.attention.output", "language.head"]
    for name in names:
        model.get_submodule(name).register_forward_pre_hook(lambda _, x, name=name: read.update({name: x[0]}))
    layer = next(number for number, one in enumerate(model.language.layers) if isinstance(one.mlp, MoE))
    experts = f"language.layers.{layer}.mlp.routed_experts"
    with torch.inference_mode():
        routing = model(batch).routing[layer]
    found: dict[str, torch.Tensor] = {}
    wanted = {*(f"{name}.weight" for name in names), *(f"{experts}.{part}" for part in ("gate", "up", "down"))}
    calibrate(MLA, batch, wanted, found.update)
    assert found.keys() == wanted
    for name in names:
        x = (read[name][real] if name.startswith("language") else read[name].flatten(0, 1)).float()
        torch.testing.assert_close(found[f"{name}.weight"], x.T @ x / len(x), atol=1e-3, rtol=1e-3)
    assert found[f"{experts}.gate"] is found[f"{experts}.up"]
    assert routing.topk_ids.max() < len(found[f"{experts}.down"])
    assert all(torch.linalg.eigvalsh(one.double()).min() > -1e-6 for one in found[f"{experts}.down"])


def test_calibration_brings_four_bits_nearer(tmp_path, pocket):
    material, batch = batch_of(PRESETS["pocket"], (200,) * 12), batch_of(PRESETS["pocket"])
    config = replace(INT4, embedding_bits=8)
    folder = quantize_checkpoint("pocket", tmp_path / "x", config, material=material)
    theirs = logits_of(pocket["original"], batch).log_softmax(-1)
    kl = [
        (theirs.exp() * (theirs - logits_of(one, batch).log_softmax(-1))).sum(-1).mean()
        for one in (folder, pocket["4"])
    ]
    assert kl[0] < 0.9 * kl[1]


def test_a_quantised_model_is_neither_quantised_nor_saved_again(pocket, tmp_path):
    with pytest.raises(WeightsError, match="quantised already"):
        quantize_checkpoint(pocket["8"], tmp_path / "x", INT4)
    with pytest.raises(WeightsError, match="the model is quantised"):
        save_model(load_model(pocket["8"]), tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    return quantize_checkpoint(copy_checkpoint(tmp_path), tmp_path / "quantized", INT8)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"quant_method": "fp8"}, ConfigError, "quant_method"),
        ({"bits": 3}, ConfigError, "bits"),
        ({"group": 48}, ConfigError, "group"),
        ({"weight_block": 1}, ConfigError, "unknown field 'weight_block'"),
        ({"bits": 4}, WeightsError, "stored in a type"),
        ({"head_bits": 4}, WeightsError, "lm_head.weight.codes"),
        ({"group": 64}, WeightsError, "another shape"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(quantized, change, error, words):
    change_json(quantized / "config.json", lambda values: values["quantization_config"].update(change))
    with pytest.raises(error, match=words) as caught:
        load_model(quantized)
    assert "\n" not in str(caught.value)


def test_weights_and_config_of_two_kinds_are_refused(quantized, tmp_path):
    change_json(quantized / "config.json", lambda values: values.pop("quantization_config"))
    with pytest.raises(WeightsError, match=r"\.weight\.codes"):
        load_model(quantized)
    plain = copy_checkpoint(tmp_path / "plain")
    change_json(plain / "config.json", lambda values: values.update(quantization_config={"bits": 8}))
    with pytest.raises(WeightsError, match="have no place in the model"):
        load_model(plain)


def test_codes_of_another_size_are_refused(quantized):
    key = "language.lm_head.weight.scales"
    change_tensors(quantized, lambda tensors: tensors.update({key: tensors[key][:, :1].clone()}))
    with pytest.raises(WeightsError, match="another shape"):
        load_model(quantized)


def test_numbers_that_are_not_finite_are_refused_and_nothing_is_left(tmp_path):
    source, key = copy_checkpoint(tmp_path), "language.lm_head.weight"
    change_tensors(source, lambda tensors: tensors[key].view(-1)[3:4].fill_(torch.nan))
    with pytest.raises(WeightsError, match="not finite"):
        quantize_checkpoint(source, tmp_path / "x", INT8)
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vl2.weights.write.save_file", full)
    with pytest.raises(WeightsError, match="Free some disk space"):
        quantize_checkpoint(MLA, tmp_path / "x", INT8)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_is_seen_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: ROOM(10**6, 10**6 - 1000, 1000))
    with pytest.raises(WeightsError, match="too full") as caught:
        quantize_checkpoint(MLA, tmp_path / "x", INT8)
    assert "GB free" in str(caught.value)


def test_an_interruption_leaves_nothing(tmp_path):
    def stop(key: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize_checkpoint(MLA, tmp_path / "x", INT8, progress=stop)
    assert not list(tmp_path.iterdir())
    assert quantize_checkpoint(MLA, tmp_path / "x", INT8).is_dir()


def test_keys_are_the_official_ones_in_two_parts(pocket):
    with safe_open(pocket["4"] / "model.safetensors", "pt") as file:
        keys = set(file.keys())
    expert = "language.model.layers.1.mlp.experts.7.down_proj.weight"
    assert {f"{expert}.codes", f"{expert}.scales", "language.model.layers.1.mlp.gate.weight"} <= keys
    config = json.loads((pocket["4"] / "config.json").read_text(encoding="utf-8"))
    assert config["quantization_config"] == {
        "quant_method": "vl2", "bits": 4, "group": 32, "vision_bits": 8, "embedding_bits": 8, "head_bits": 4,
    }  # fmt: skip


SCRIPT = """
import re, sys
from pathlib import Path
from vl2.model.config import QuantizationConfig
from vl2.weights.quantize import quantize_checkpoint

def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

small, large, folder = map(Path, sys.argv[1:])
quantize_checkpoint(small, folder / "small", QuantizationConfig(bits=4))  # whatever the first call of anything loads
before = peak_kb()
quantize_checkpoint(large, folder / "large", QuantizationConfig(bits=4), max_shard_bytes=5_000_000)
print((peak_kb() - before) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc to see the peak of a process")
def test_memory_is_that_of_a_shard_and_not_of_the_model(tmp_path):
    config = PRESETS["pocket"]
    language = replace(config.language_config, moe_intermediate_size=2048, n_routed_experts=12)
    model = VL2(replace(config, language_config=language)).bfloat16()
    size = sum(parameter.nbytes for parameter in model.parameters())
    source = save_model(model, tmp_path / "source", max_shard_bytes=20_000_000)
    command = [sys.executable, "-c", SCRIPT, str(MLA), str(source), str(tmp_path)]
    growth = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert size > 75_000_000
    assert growth < 45_000_000
