"""An adapter above quantised weights: exact gradients, no dequantised weight kept, one way to merge."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import vl2
from tests.train.test_finetune import config, log_of, pictures  # noqa: F401 - a fixture
from tests.train.test_lora import question
from tests.weights.checkpoints import NAMES, RECORDED
from vl2.core.errors import ConfigError, WeightsError
from vl2.kernels.quantized import NUMBERS_AT_ONCE, dequantize, quantize
from vl2.model.config import QuantizationConfig
from vl2.train.tuning.change import Change
from vl2.train.tuning.finetune_run import build_finetuner
from vl2.train.tuning.frozen import FrozenProduct, hold_frozen
from vl2.train.tuning.lora import add_adapter
from vl2.weights import load_model
from vl2.weights.adapter import load_adapter, merge
from vl2.weights.quantize import quantize_checkpoint

RANK, ALPHA = 3, 6.0


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """Return the folder of a recorded model in some bits, made once."""
    made = {}

    def make(name: str = "b_small_mla", bits: int = 4):
        if (name, bits) not in made:
            folder = tmp_path_factory.mktemp("quantized") / name
            settings = QuantizationConfig(bits=bits, group=32)
            made[name, bits] = quantize_checkpoint(RECORDED / name / "checkpoint", folder, settings)
        return made[name, bits]

    return make


def dequantized(folder):
    """Return the full-precision model that computes what a quantised one does."""
    model = load_model(RECORDED / folder.name / "checkpoint", dtype=torch.float32)
    weights = hold_frozen(load_model(folder, dtype=torch.float32))
    with torch.no_grad():
        for name, weight in weights.items():
            model.get_parameter(name).copy_(dequantize(weight.source.tensor))
        table = load_model(folder, dtype=torch.float32).language.embedding
        model.language.embedding.weight.copy_(dequantize(table.weight.tensor))
    return model


@pytest.mark.parametrize("bits", [8, 4])
def test_the_gradient_of_a_product_is_that_of_the_dequantised_weight(bits):
    torch.manual_seed(bits)
    rows = 2 * NUMBERS_AT_ONCE // 4096 + 3  # three slices, the last one short
    weight = quantize(torch.randn(rows, 4096), bits, 64)
    x, grad = torch.randn(2, 3, 4096), torch.randn(2, 3, rows)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    FrozenProduct.apply(ours, weight).backward(grad)
    F.linear(theirs, dequantize(weight)).backward(grad)
    by_hand = torch.einsum("btn,nk->btk", grad, dequantize(weight))
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)
    assert torch.allclose(ours.grad, by_hand, rtol=1e-4, atol=1e-4)


def randomize(changes: dict[str, Change]) -> None:
    """Give both sides of every change numbers, by name: `up` alone would be zero, and `down` get no gradient."""
    for number, name in enumerate(sorted(changes)):
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for side in (changes[name].down, changes[name].up):
                side.copy_(torch.randn(side.shape, generator=generator) * 0.05)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_gradients_are_those_of_an_adapter_on_the_dequantised_weights(name, quantized):
    folder = quantized(name)
    found = []
    for model in (load_model(folder, dtype=torch.float32), dequantized(folder)):
        changes = add_adapter(model, rank=RANK, alpha=ALPHA)
        randomize(changes)
        logits = model(question(model)).logits
        logits.log_softmax(-1)[..., 7].mean().backward()
        found.append((logits.detach(), {name: (one.down.grad, one.up.grad) for name, one in changes.items()}))
    (ours, ours_grads), (theirs, theirs_grads) = found
    assert (ours - theirs).abs().max() < 2e-5 * theirs.abs().max()  # float32, whatever the processor adds up first
    assert ours_grads.keys() == theirs_grads.keys()
    for name, sides in theirs_grads.items():
        for mine, wanted in zip(ours_grads[name], sides, strict=True):
            assert torch.allclose(mine, wanted, rtol=1e-3, atol=1e-6), name


def test_a_new_adapter_changes_nothing(quantized):
    plain, model = (load_model(quantized(), dtype=torch.float32) for _ in range(2))
    batch = question(model)
    add_adapter(model, rank=RANK, alpha=ALPHA)
    with torch.no_grad():
        assert (model(batch).logits - plain(batch).logits).abs().max() < 1e-5


def kept_tensors(model) -> list[Tensor]:
    """Return what a forward pass keeps for the way back beside the model's own tensors."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    own = {one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers())}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(question(model)).logits.sum()
    return [tensor for place, tensor in kept.items() if place not in own]


def marks(matrices: Tensor) -> set[tuple[float, float]]:
    """Return what tells matrices apart, however they are turned: the largest and the smallest number of each."""
    flat = matrices.detach().float().flatten(0, -3) if matrices.dim() > 2 else matrices.detach().float()[None]
    return {(float(one.max()), float(one.min())) for one in flat}


def test_no_dequantised_weight_is_kept_for_the_way_back(quantized):
    found: list[list[Tensor]] = []
    for model in (load_model(quantized(), dtype=torch.float32), dequantized(quantized())):
        add_adapter(model, rank=RANK, alpha=ALPHA)
        found.append(kept_tensors(model))
    frozen = hold_frozen(load_model(quantized(), dtype=torch.float32))
    weights = {mark for one in frozen.values() for mark in marks(dequantize(one.source.tensor))}
    is_kept = [any(marks(one) & weights for one in side if one.dim() > 1) for side in found]
    assert is_kept == [False, True], "an adapter on whole weights keeps them: they would be found"


def test_fine_tuning_above_four_bits_learns_and_merges_into_full_precision(pictures, tmp_path):  # noqa: F811
    settings = config(pictures, tmp_path / "run", bits=4, epochs=4.0, augment=False)
    tuner = build_finetuner(settings)
    tuner.run()
    looks = [line["eval_loss"] for line in log_of(tmp_path / "run") if "eval_loss" in line]
    assert min(looks[1:]) < looks[0]
    again = build_finetuner(settings)  # the quantised weights are not made a second time
    assert again.tuned.model.config.quantization_config.bits == 4
    plain = load_model("pocket")
    before = plain.language.layers[0].attention.output.weight.clone()
    merge(plain, load_adapter(tmp_path / "run" / "best", plain))
    assert not torch.equal(plain.language.layers[0].attention.output.weight, before)


def test_quantised_weights_take_no_adapter_for_good(quantized, tmp_path, pictures):  # noqa: F811
    model = load_model(quantized())
    with pytest.raises(WeightsError, match=r"quantised weights. Merge it into the model that they were made of"):
        load_adapter(tmp_path, model)
    folder = quantize_checkpoint(vl2.weights.find_checkpoint("pocket"), tmp_path / "pocket8", QuantizationConfig())
    with pytest.raises(ConfigError, match="quantised weights cannot move"):
        build_finetuner(config(pictures, tmp_path / "run", rank=0, model=str(folder)))
    with pytest.raises(ConfigError, match="quantised already.*got 4, expected 8"):
        build_finetuner(config(pictures, tmp_path / "run", bits=4, model=str(folder)))
    assert build_finetuner(config(pictures, tmp_path / "run", model=str(folder))).moved


def test_bits_go_with_an_adapter(pictures, tmp_path):  # noqa: F811
    with pytest.raises(ConfigError, match="quantised weights cannot move.*Give the adapter a rank"):
        config(pictures, tmp_path / "run", rank=0, bits=8)
