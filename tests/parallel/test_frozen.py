"""The align stage freezes the language model: gradients pass through it to the vision tower, in every stage."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.parallel.layouts import PLANS, Difference, compare, laid_out, on_four, own
from tests.parallel.toy import NUM_MICROBATCHES, Step, alone, toy
from vl2.train.objective import count_supervised

NAMES = ["fsdp4", "pp4 1f1b", "pp2 fsdp2 ep2 zero_bubble"]
TOLERANCE, RELATIVE = 1e-6, 5e-6  # as of equality 8


def with_images(seed: int, frozen: str) -> Step:
    """Return a step whose microbatches all have images: one process alone can learn nothing from the others."""
    step = Step.of(seed, has_images=True, config=toy("mla", frozen).config, count=2 * NUM_MICROBATCHES)
    batches = [batch for batch in step.batches if batch.tiles is not None][:NUM_MICROBATCHES]
    return Step(batches=batches, num_tokens=sum(map(count_supervised, batches)))


def work(rank: int, folder: str, frozen: str) -> None:
    reference, step = toy("mla", frozen), with_images(3, frozen)
    text = Step.of(4, has_images=False, config=reference.config)
    expected, found = alone(reference, step), {}
    for name in NAMES:
        model = laid_out("mla", PLANS[name], frozen=frozen)
        difference = compare(model, step, expected)
        loss = float(model.step(own(text, model), text.num_tokens))  # has no gradient anywhere, and must not hang
        found[name] = (difference, loss, float(model.evaluate(own(text, model), text.num_tokens)))
    if rank == 0:
        torch.save(found, Path(folder) / "found.pt")


def test_a_frozen_language_model_passes_gradients_on(tmp_path):
    on_four(work, tmp_path, "language.")
    found: dict[str, tuple[Difference, float, float]] = torch.load(tmp_path / "found.pt", weights_only=False)
    assert list(found) == NAMES
    for difference, loss, evaluated in found.values():
        assert max(difference.loss, difference.gradient) <= TOLERANCE
        assert difference.relative <= RELATIVE
        assert abs(loss - evaluated) <= TOLERANCE
