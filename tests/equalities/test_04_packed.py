"""Equality 4: samples packed into one row give the loss and gradients of the samples alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vl2.core.batch import IGNORE_INDEX, Batch, ModelInput
from vl2.core.tiles import TileGrid
from vl2.model import PRESETS, VL2
from vl2.train.losses import next_token_loss, shifted_targets

LOSS_TOLERANCE = 1e-4  # float32, sums of about 60 terms
GRADIENT_TOLERANCE = 2e-4  # relative to the largest gradient of the parameter
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
