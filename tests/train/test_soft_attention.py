"""A head whose scores run away is scaled back to the limit; the others, and its answer otherwise, are left alone."""

from __future__ import annotations

import pytest
import torch

from vl2.model import PRESETS, VL2
from vl2.train.pocket.initial import initialise
from vl2.train.pocket.soft_attention import highest, soften, watched

LIMIT = 12.0


@pytest.fixture
def model() -> VL2:
    torch.manual_seed(0)
    model = VL2(PRESETS["pocket"])
    initialise(model, torch.arange(1000))
    return model


@torch.no_grad()
def peaks_of(model: VL2) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Run a fixed text and tile; return the peak of each head and the last hidden states."""
    torch.manual_seed(1)
    backends, watch = watched(model)
    model.vision(torch.rand(2, 3, 96, 96) * 2 - 1, backends)
    ids = torch.randint(0, 2048, (2, 12))
    positions = torch.arange(12).expand(2, -1)
    embeds = model.language.embedding(ids)
    states = model.language(embeds, positions, torch.ones_like(ids), None, backends).states
    return highest(watch.peaks), states


def test_the_watch_changes_nothing_and_names_every_attention(model):
    peaks, states = peaks_of(model)
    torch.manual_seed(1)
    torch.rand(2, 3, 96, 96)
    ids = torch.randint(0, 2048, (2, 12))
    positions = torch.arange(12).expand(2, -1)
    plain = model.language(model.language.embedding(ids), positions, torch.ones_like(ids), None, model.backends).states
    assert torch.equal(states, plain)
    assert len(peaks) == 8
    assert all(f"{name}.weight" in dict(model.named_parameters()) for name in peaks)
    assert all(float(peak.min()) > 0 for peak in peaks.values())


def test_only_the_head_over_the_limit_comes_back_to_it(model):
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    loud = {"vision.blocks.0.attention.qkv": 1, "language.layers.0.attention.query": 3}
    for name, head in loud.items():
        rows = parameters[f"{name}.weight"]
        queries = rows[: len(rows) // 3] if name.endswith("qkv") else rows
        num_heads = 4 if name.endswith("qkv") else 5
        queries.unflatten(0, (num_heads, -1))[head] *= 100
    before, _ = peaks_of(model)
    firsts = {name: before[name] for name in loud}  # later layers see other inputs afterwards
    assert soften(parameters, firsts, LIMIT) == 2
    after, _ = peaks_of(model)
    for name, head in loud.items():
        assert float(before[name][head]) > LIMIT
        assert float(after[name][head]) == pytest.approx(LIMIT, rel=1e-4)
        others = [other for other in range(len(before[name])) if other != head]
        assert torch.equal(before[name][others], after[name][others])


def test_weights_that_stand_still_are_not_touched(model):
    peaks, _ = peaks_of(model)
    loud = {name: torch.full_like(peak, 1e6) for name, peak in peaks.items()}
    assert soften({}, loud, LIMIT) == 0
