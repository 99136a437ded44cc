"""Examples: the samples of a fine-tuning, new and old ones mixed, as batches that any step can ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vl2.core.batch import Batch, ModelInput
from vl2.core.sample import Sample
from vl2.data.faults import Fault
from vl2.processor import Processor
from vl2.train.tuning.augment import augmented
from vl2.train.tuning.source import Source


class RowsOfSamples(Protocol):
    """Samples by their number; one that cannot be used is a Fault."""

    def __len__(self) -> int: ...
    def __getitem__(self, row: int, /) -> Sample | Fault: ...


@dataclass(frozen=True, kw_only=True)
class SampleReader:
    """Samples as the model learns from them."""

    samples: RowsOfSamples
    processor: Processor
    max_tokens: int
    seed: int
    is_augmented: bool = False

    def __call__(self, row: int, place: int | None) -> ModelInput | Fault:
        """Return a sample, at a place as it is shown there, or why not. Raises VL2Error."""
        sample = self.samples[row]
        if isinstance(sample, Fault):
            return sample
        if self.is_augmented and place is not None:
            sample = augmented(sample, np.random.default_rng((self.seed, place)))
        return fitting(answered(self.processor, sample), self.max_tokens)


def answered(processor: Processor, sample: Sample) -> ModelInput:
    """Return a sample with its answers as labels. Raises VL2Error."""
    return processor(sample, for_training=True, mask_prompt=True, trusted=False, keep_marks=True)


def fitting(ready: ModelInput, max_tokens: int) -> ModelInput | Fault:
    """Return an input, or that it is too long."""
    return Fault(f"longer than {max_tokens} tokens") if len(ready.input_ids) > max_tokens else ready


@dataclass(frozen=True, kw_only=True)
class Examples:
    """New samples, and old ones among them so that what was known stays known."""

    new: Source[ModelInput]
    old: Source[ModelInput] | None
    num_old: int  # of each batch
    batch_size: int

    def batch(self, step: int) -> list[ModelInput]:
        """Return the inputs of a step."""
        num_new = self.batch_size - self.num_old
        inputs = self.new.take(step * num_new, num_new)
        return inputs if self.old is None else inputs + self.old.take(step * self.num_old, self.num_old)


def group(inputs: Sequence[ModelInput], pad_id: int, max_tokens: int) -> Iterator[Batch]:
    """Yield padded batches of inputs of about one length, each within `max_tokens` or of one input."""
    for rows in grouped([len(item.input_ids) for item in inputs], max_tokens):
        yield Batch.from_inputs([[inputs[row]] for row in rows], pad_id)


def grouped(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Yield the numbers of items of about one length, whose padded rows are within `max_tokens` together, or of one."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and lengths[row] * (len(rows) + 1) > max_tokens:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
