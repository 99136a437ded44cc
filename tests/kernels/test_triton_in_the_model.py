"""The model gives the same logits with the kernels of a GPU: prefill, one token, and a few tokens at once.

With weights of 8 and 4 bits too, and then every product of the language model is the Triton one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.kernels.triton_module import DEVICE, triton_module
from vl2.core.batch import Batch
from vl2.engine.cache import PagedCache
from vl2.kernels import Backends, backends, quantized_linear
from vl2.model.config import QuantizationConfig
from vl2.weights import load_model
from vl2.weights.quantize import quantize_checkpoint

triton_experts = triton_module("triton_experts")

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
LOGIT_TOLERANCE = 1e-4  # float32; logits have a deviation of about 5


def tokens(start: int, stop: int) -> Batch:
    ids = (torch.arange(40, device=DEVICE).view(2, 20) * 7 + 11)[:, start:stop]
    return Batch(
        input_ids=ids,
        positions=torch.arange(start, stop, device=DEVICE).expand_as(ids),
        documents=torch.ones_like(ids),
        image_mask=torch.zeros_like(ids, dtype=torch.bool),
        tiles=None,
    )


@torch.inference_mode()
def logits(backends: Backends, directory: Path = RECORDED / "b_small_mla" / "checkpoint") -> torch.Tensor:
    model = load_model(directory, device=DEVICE, dtype=torch.float32, backends=backends)
    cache = PagedCache.empty(model.config.language_config, num_blocks=4, dtype=torch.float32, device=DEVICE)
    steps = [(0, 9), (9, 10), (10, 13)]
    return torch.cat([model(tokens(*step), cache.view([[1, 2], [4, 3]], step[1])).logits for step in steps], dim=1)


def test_logits() -> None:
    chosen = Backends.best("cuda")
    assert chosen.experts is triton_experts.routed_experts
    torch.testing.assert_close(logits(chosen), logits(Backends()), atol=LOGIT_TOLERANCE, rtol=0)


@pytest.mark.parametrize("bits", [8, 4])
def test_logits_of_a_quantised_model(bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = RECORDED / "b_small_mla" / "checkpoint"
    folder = quantize_checkpoint(source, tmp_path / "quantised", QuantizationConfig(bits=bits, group=32))
    monkeypatch.setattr(quantized_linear, "backends_of", lambda kind: Backends())
    expected = logits(Backends(), folder)

    calls: Counter[str] = Counter()
    chosen = Backends.best("cuda")

    def experts(*given):
        calls["experts"] += 1
        return chosen.quantized_experts(*given)

    def linear(*given):
        calls["linear"] += 1
        return chosen.quantized_linear(*given)

    counted = replace(chosen, quantized_experts=experts, quantized_linear=linear)
    monkeypatch.setattr(quantized_linear, "backends_of", lambda kind: counted)
    found = logits(counted, folder)
    torch.testing.assert_close(found, expected, atol=LOGIT_TOLERANCE, rtol=0)
    config = load_model(folder).config.language_config
    num_moe = sum(config.is_moe_layer(layer) for layer in range(config.num_hidden_layers))
    assert calls["experts"] == 3 * num_moe  # three steps
    # query, latent_down and output, an MLP or the shared experts of each layer, and the head
    assert calls["linear"] == 3 * (6 * config.num_hidden_layers + 1)


def test_a_layer_asks_for_the_kernels_of_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backends.backends_of("cuda") == Backends.best("cuda")
    assert backends.backends_of("cpu") == Backends.best("cpu")
    asked: list[str] = []
    monkeypatch.setattr(quantized_linear, "backends_of", lambda kind: asked.append(kind) or Backends())
    layer = quantized_linear.QuantizedLinear(torch.nn.Linear(40, 5, device=DEVICE), 8, 32).to(DEVICE)
    layer(torch.randn(3, 40, device=DEVICE))
    assert asked == [DEVICE]
