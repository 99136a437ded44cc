"""Equality 4: samples packed into one row give the loss and gradients of the samples alone, and see nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vl2.core.batch import IGNORE_INDEX, Batch, ModelInput
from vl2.core.tiles import TileGrid
from vl2.data.packing import pack
from vl2.model import PRESETS, VL2
from vl2.train.losses import next_token_loss, shifted_targets

LOSS_TOLERANCE = 1e-4  # float32, sums of about 60 terms
GRADIENT_TOLERANCE = 2e-4  # relative to the largest gradient of the parameter
MEAN_TOLERANCE = 1e-5  # of a loss that is a mean over tokens, and of its gradients: what training uses
ROUNDING = 2e-6  # of a logit: an expert's rows come in other groups when a document chooses other experts
GRIDS = (TileGrid(1, 1), TileGrid(1, 2))
SIDE, TILE = 6, 96


def mha(config):
    language = replace(config.language_config, use_mla=False, num_attention_heads=5)
    return replace(config, language_config=language)


def sample(grid: TileGrid | None, num_text: int, generator: torch.Generator) -> ModelInput:
    visual = grid.num_visual_tokens(SIDE) if grid else 0
    ids = torch.randint(0, 2000, (visual + num_text,), generator=generator)
    image_mask = torch.arange(len(ids)) < visual
    return ModelInput(
        input_ids=ids,
        labels=ids.masked_fill(image_mask, IGNORE_INDEX),
        image_mask=image_mask,
        tiles=torch.randn(grid.num_tiles if grid else 0, 3, TILE, TILE, generator=generator),
        grids=(grid,) if grid else (),
    )


def loss_and_gradients(model: VL2, rows: list[list[ModelInput]]):
    model.zero_grad()
    batch = Batch.from_inputs(rows, pad_id=2)
    targets = shifted_targets(batch.labels)
    # the last token of a document must not predict the first of the next one
    starts_next = torch.nn.functional.pad(batch.documents[:, 1:], (0, 1)) != batch.documents
    asked = (targets != IGNORE_INDEX) & ~starts_next
    loss = next_token_loss(model(batch).logits[asked], targets[asked])
    loss.backward()
    return float(loss.detach()), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("shape", [lambda config: config, mha], ids=["mla", "mha"])
def test_packed_is_alone(shape):
    torch.manual_seed(0)
    model = VL2(shape(PRESETS["pocket"]))
    generator = torch.Generator().manual_seed(1)
    samples = [sample(grid, 9 + 4 * i, generator) for i, grid in enumerate((*GRIDS, None))]
    total, gradients = 0.0, {}
    for one in samples:
        loss, found = loss_and_gradients(model, [[one]])
        total += loss
        for name, gradient in found.items():
            gradients[name] = gradients.get(name, 0) + gradient
    packed_loss, packed = loss_and_gradients(model, [samples])
    padded_loss, padded = loss_and_gradients(model, [[samples[0], samples[2]], [samples[1]]])
    assert packed_loss == pytest.approx(total, abs=LOSS_TOLERANCE * len(samples))
    assert padded_loss == pytest.approx(total, abs=LOSS_TOLERANCE * len(samples))
    assert set(packed) == set(gradients) == set(padded)
    for name, expected in gradients.items():
        bound = GRADIENT_TOLERANCE * float(expected.abs().max()) + 1e-7
        torch.testing.assert_close(packed[name], expected, atol=bound, rtol=0)
        torch.testing.assert_close(padded[name], expected, atol=bound, rtol=0)


def mean_loss_and_gradients(model: VL2, rows: list[list[ModelInput]], num_tokens: int):
    """Return one batch's part of the mean loss over `num_tokens`, and its gradients."""
    model.zero_grad()
    length = max(sum(len(item.input_ids) for item in row) for row in rows)
    batch = pack(rows, pad_id=2, length_step=length)
    targets = shifted_targets(batch.labels)
    asked = targets != IGNORE_INDEX  # labels alone keep documents apart
    loss = next_token_loss(model(batch).logits[asked], targets[asked]) / num_tokens
    loss.backward()
    return float(loss.detach()), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("shape", [lambda config: config, mha], ids=["mla", "mha"])
def test_what_training_packs_has_the_mean_loss_and_gradients_of_samples_alone(shape):
    torch.manual_seed(3)
    model = VL2(shape(PRESETS["pocket"]))
    generator = torch.Generator().manual_seed(4)
    samples = [sample(grid, 12 + 5 * i, generator) for i, grid in enumerate((*GRIDS, None, *GRIDS[::-1], None))]
    num_tokens = sum(int((item.labels[1:] != IGNORE_INDEX).sum()) for item in samples)
    total, gradients = 0.0, {}
    for one in samples:
        loss, found = mean_loss_and_gradients(model, [[one]], num_tokens)
        total += loss
        for name, gradient in found.items():
            gradients[name] = gradients.get(name, 0) + gradient
    for rows in ([samples], [[samples[4], samples[2], samples[0]], [samples[5], samples[1], samples[3]]]):
        loss, packed = mean_loss_and_gradients(model, rows, num_tokens)
        assert loss == pytest.approx(total, abs=MEAN_TOLERANCE)
        assert set(packed) == set(gradients)
        for name, expected in gradients.items():
            torch.testing.assert_close(packed[name], expected, atol=MEAN_TOLERANCE, rtol=0)


@pytest.mark.parametrize("shape", [lambda config: config, mha], ids=["mla", "mha"])
@torch.no_grad()
def test_a_document_that_changes_leaves_the_others_logits_unchanged(shape):
    torch.manual_seed(5)
    model = VL2(shape(PRESETS["pocket"])).eval()
    generator = torch.Generator().manual_seed(6)
    samples = [sample(grid, 15, generator) for grid in (*GRIDS, None)]
    length = sum(len(item.input_ids) for item in samples)
    before = pack([samples], pad_id=2, length_step=length)
    logits = model(before).logits
    for changed, original in enumerate(samples):
        ids = torch.where(original.image_mask, original.input_ids, (original.input_ids + 1) % 2000)
        other = replace(original, input_ids=ids, tiles=original.tiles + 1)
        after = pack([[*samples[:changed], other, *samples[changed + 1 :]]], pad_id=2, length_step=length)
        is_changed = before.documents == changed + 1
        moved = (model(after).logits - logits).abs().amax(-1)  # [1, T]
        assert float(moved[~is_changed].max()) <= ROUNDING
        assert float(moved[is_changed].min()) > 1e-3
