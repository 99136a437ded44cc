"""The baseline of the training bench computes what we compute: loss and gradients, on the same weights."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.train.variants import toy_config
from vl2.core.batch import Batch, ModelInput
from vl2.data.packing import pack
from vl2.model import VL2, language
from vl2.train.objective import document_targets, learn

BENCH = Path(__file__).parents[2] / "bench"
BOUND = 1e-5  # float32, relative to the largest gradient of a parameter
AUX_WEIGHT, LENGTH = 0.1, 48


@pytest.fixture(scope="module")
def style():
    spec = importlib.util.spec_from_file_location("training_style", BENCH / "training_style.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bench(style):
    sys.modules["training_style"] = style  # as it stands beside the bench when that runs
    spec = importlib.util.spec_from_file_location("training_bench", BENCH / "training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["training_style"]


@pytest.fixture
def model() -> VL2:
    torch.manual_seed(0)
    config = toy_config("tiny")
    # rows of experts and values must be multiples of 16 bytes for F.grouped_mm
    return VL2(replace(config, language_config=replace(config.language_config, moe_intermediate_size=16)))


def text_batch(vocab_size: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    documents = []
    for length in (20, 17, 11):  # no padding: ours leaves it out of the balance
        ids = torch.randint(0, vocab_size, (length,), generator=generator)
        documents.append(ModelInput(ids, ids, torch.zeros(length, dtype=torch.bool), torch.zeros(0, 3, 1, 1), ()))
    return pack([documents], pad_id=0, length_step=LENGTH)


@pytest.mark.parametrize("way", ["gathered", "masked", "grouped"])
@pytest.mark.parametrize("long_row", [1, LENGTH + 1])  # documents alone, and all scores under a mask
def test_loss_and_gradients_are_ours(style, model: VL2, way: str, long_row: int, monkeypatch) -> None:
    monkeypatch.setattr(language, "LONG_ROW", long_row)
    batch = text_batch(model.config.language_config.vocab_size)
    theirs = style.CausalLanguageModel(model.language, way)
    learned = learn(model, batch)
    ours = learned.loss(learned.num_tokens, AUX_WEIGHT)
    loss = theirs(batch, document_targets(batch), AUX_WEIGHT)
    assert float(loss.detach()) == pytest.approx(float(ours.detach()), rel=BOUND)
    ours.backward()
    loss.backward()
    for layer, twin in zip(model.language.layers, theirs.layers, strict=True):
        pairs = {
            "query": (layer.attention.query.weight, twin["self_attn"].q_proj.weight),
            "norm": (layer.attention_norm.weight, twin["input_layernorm"].weight),
        }
        if hasattr(layer.mlp, "router"):
            pairs["router"] = (layer.mlp.router.weight, twin["mlp"].gate.weight)
            pairs["shared"] = (layer.mlp.shared_experts.down.weight, twin["mlp"].shared_experts.down_proj.weight)
        for name, (own, other) in pairs.items():
            bound = BOUND * float(own.grad.abs().max())
            torch.testing.assert_close(other.grad, own.grad, atol=bound, rtol=0, msg=name)
        if hasattr(layer.mlp, "router"):
            found = expert_gradients(twin["mlp"], way)
            expected = layer.mlp.routed_experts.down.grad
            torch.testing.assert_close(found, expected, atol=BOUND * float(expected.abs().max()), rtol=0)
    for own, other in ((model.language.embedding, theirs.embed_tokens), (model.language.head, theirs.lm_head)):
        bound = BOUND * float(own.weight.grad.abs().max())
        torch.testing.assert_close(other.weight.grad, own.weight.grad, atol=bound, rtol=0)


def expert_gradients(moe, way: str) -> torch.Tensor:
    if way == "grouped":
        return moe.down_proj.grad
    parts = (expert.down_proj.weight for expert in moe.experts)
    return torch.stack([torch.zeros_like(part) if part.grad is None else part.grad for part in parts])


def test_both_steps_of_the_bench_agree(bench, model: VL2) -> None:
    batch = text_batch(model.config.language_config.vocab_size)
    moving = list(model.language.parameters())
    theirs = bench.training_style.CausalLanguageModel(model.language)
    groups = [{"params": moving, "names": [""] * len(moving), "lr": bench.RATE, "weight_decay": 0.1}]
    optimizer = bench.adamw(groups, bench.paper_row("tiny", "sft"), torch.device("cpu"))
    ours, other = bench.our_step(model, batch, optimizer), bench.their_step(theirs, batch)
    losses = torch.tensor([[float(ours()), float(other())] for _ in range(4)])  # [4, 2]
    torch.testing.assert_close(losses[:, 0], losses[:, 1], rtol=2e-4, atol=0)  # Adam divides by small gradients
    assert losses[-1, 0] < losses[0, 0]


def test_the_bench_counts_in_turns(bench) -> None:
    found = bench.summary({"ours": [(1.0, 2.0), (2.0, 2.0)], "masked": [(5.0, 8.0), (12.0, 6.0)]})
    assert found["masked"]["wall_s"] == {"median": 8.5, "min": 5.0, "max": 12.0, "times_ours": 5.5}
    assert found["masked"]["cpu_s"]["times_ours"] == 3.5


def test_the_batches_are_what_the_bench_says(bench) -> None:
    config = bench.half_tiny()
    images, text = (bench.packed_batch(config, has_images=kind, dtype=torch.bfloat16) for kind in (True, False))
    assert images.input_ids.shape == text.input_ids.shape == (1, bench.LENGTH)
    assert int(images.image_mask.sum()) == 6 * 421 == len(images.visual_embeds)
    assert (int(images.documents[images.image_mask].max()), int(text.documents.max())) == (6, 8)
