"""Examples: the samples of a fine-tuning, new and old ones mixed, as batches that any step can ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from vl2.core.batch import Batch, ModelInput
from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.data.faults import Fault
from vl2.data.order import Rounds
from vl2.processor import Processor
from vl2.train.augment import augmented

MOST_TRIES = 100  # samples in a row that cannot be used


class RowsOfSamples(Protocol):
    """Samples by their number; one that cannot be used is a Fault."""

    def __len__(self) -> int: ...
    def __getitem__(self, row: int, /) -> Sample | Fault: ...


@dataclass(kw_only=True)
class Source:
    """Some rows of a list of samples, in a shuffled order."""

    samples: RowsOfSamples
    rows: Sequence[int]
    processor: Processor
    max_tokens: int
    seed: int
    is_augmented: bool = False
    skipped: Counter[str] = field(default_factory=Counter)  # by reason

    def __post_init__(self) -> None:
        self.rounds = Rounds(len(self.rows), self.seed)

    def take(self, first: int, count: int) -> list[ModelInput]:
        """Return `count` inputs from place `first` on; in place of one that cannot be used comes its neighbour."""
        return [self._usable(place) for place in range(first, first + count)]

    def _usable(self, place: int) -> ModelInput:
        index = self.rounds[place]
        for step in range(min(MOST_TRIES, len(self.rows))):
            ready = self.read(self.rows[(index + step) % len(self.rows)], place)
            if ready is not None:
                return ready
        raise VL2Error(
            "data", "none of its samples can be used", got=", ".join(f"{n} x {why}" for why, n in self.skipped.items()),
            do="Correct the data.",
        )  # fmt: skip

    def read(self, row: int, place: int | None = None) -> ModelInput | None:
        """Return a sample as the model reads it, or None and count the reason; at a place, as it is shown there."""
        sample = self.samples[row]
        if isinstance(sample, Fault):
            self.skipped[sample.reason] += 1
            return None
        try:
            if self.is_augmented and place is not None:
                sample = augmented(sample, np.random.default_rng((self.seed, place)))
            ready = self.processor(sample, for_training=True, mask_prompt=True, keep_marks=True)
        except VL2Error as error:
            self.skipped[f"{type(error).__name__} {error.thing}"[:80]] += 1
            return None
        if len(ready.input_ids) > self.max_tokens:
            self.skipped[f"longer than {self.max_tokens} tokens"] += 1
            return None
        return ready


@dataclass(frozen=True, kw_only=True)
class Examples:
    """New samples, and old ones among them so that what was known stays known."""

    new: Source
    old: Source | None
    num_old: int  # of each batch
    batch_size: int

    def batch(self, step: int) -> list[ModelInput]:
        """Return the inputs of a step."""
        num_new = self.batch_size - self.num_old
        inputs = self.new.take(step * num_new, num_new)
        return inputs if self.old is None else inputs + self.old.take(step * self.num_old, self.num_old)


def group(inputs: Sequence[ModelInput], pad_id: int, max_tokens: int) -> Iterator[Batch]:
    """Yield padded batches of inputs of about one length, each within `max_tokens` or of one input."""
    rows: list[ModelInput] = []
    for item in sorted(inputs, key=lambda item: len(item.input_ids)):
        if rows and len(item.input_ids) * (len(rows) + 1) > max_tokens:
            yield Batch.from_inputs([[row] for row in rows], pad_id)
            rows = []
        rows.append(item)
    if rows:
        yield Batch.from_inputs([[row] for row in rows], pad_id)
