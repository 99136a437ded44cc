"""What a stream packs is what its samples are alone: the loss of a step, from files to gradients."""

from __future__ import annotations

import pytest
import torch

from vl2.core.sample import Sample
from vl2.data.packing import PackLimits, pack
from vl2.data.records import open_records
from vl2.data.stream import Source, StreamSettings, TrainingStream
from vl2.model import PRESETS, VL2
from vl2.processor import Processor
from vl2.train.objective import learn

TOLERANCE = 1e-5  # float32, of a mean over tokens
SETTINGS = StreamSettings(
    rows_per_step=2, num_lanes=1, rows_per_batch=2, limits=PackLimits(tokens=512), num_waiting=12, mask_prompt=True
)


def mean_gradients(model: VL2, batches, num_tokens: int):
    """Return the mean loss and its gradients, batch by batch added up."""
    model.zero_grad()
    total = 0.0
    for batch in batches:
        loss = learn(model, batch).loss(num_tokens, aux_weight=0.0)  # the balance loss is a mean over rows, not tokens
        loss.backward()
        total += float(loss.detach())
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_a_packed_step_has_the_loss_and_gradients_of_its_samples_alone(corpus):
    records = {name: open_records(str(corpus / "data" / name)) for name in ("shapes", "ground")}
    processor = Processor.from_directory(corpus / "processor")
    sources = [Source(name=name, share=1, records=found) for name, found in records.items()]
    with TrainingStream(sources, processor, SETTINGS) as stream:
        step = next(stream)
    samples = {s.id: s for found in records.values() for s in found if isinstance(s, Sample)}
    alone = [
        processor(samples[name], for_training=True, mask_prompt=True, trusted=False, keep_marks=True)
        for ids in step.ids
        for name in ids
    ]
    assert len(alone) > len(step.ids)  # rows of several documents
    torch.manual_seed(0)
    model = VL2(PRESETS["pocket"])
    batches = [pack([[one]], processor.pad_id, 1) for one in alone]
    num_tokens = sum(learn(model, batch).num_tokens for batch in batches)
    expected_loss, expected = mean_gradients(model, batches, num_tokens)
    loss, found = mean_gradients(model, step.batches, num_tokens)
    assert loss == pytest.approx(expected_loss, abs=TOLERANCE)
    assert set(found) == set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=TOLERANCE, rtol=0)
