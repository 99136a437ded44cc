"""Samples to microbatches: processed, grouped by length, with dense targets beside them."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vl2.core.batch import Batch, ModelInput
from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.data.pointers import Place, Pointers
from vl2.data.slots import FigureClasses, SlotTargets, slot_targets

# New sizes make matrix products slow on a CPU, so lengths and numbers of rows come in steps.
LENGTH_STEP, ROWS_STEP = 16, 8
CALL_COST = 1500  # tokens that a forward and backward pass costs beside its tokens


@dataclass(frozen=True)
class Microbatch:
    """What one forward pass of training reads."""

    batch: Batch
    slots: SlotTargets | None  # None without images
    pointers: Pointers | None = None  # None when no token can be pointed at


@dataclass(frozen=True)
class Processed:
    """One sample, ready to be collated."""

    model_input: ModelInput
    slots: SlotTargets | None
    places: list[Place]


@dataclass(kw_only=True)
class Loader:
    """Turn a stream of samples into steps of microbatches.

    A sample that cannot be processed is skipped, and its reason is counted in `skipped`.
    """

    process: Callable[[Sample], ModelInput]
    pad_id: int
    tile_size: int
    side: int
    classes: FigureClasses
    skipped: Counter[str]
    point: Callable[[Sample, ModelInput], list[Place]] | None = None
    large_share: float = 1.0  # of the samples with a picture of several tiles, keep this share

    def steps(self, samples: Iterator[Sample], batch_size: int) -> Iterator[list[Microbatch]]:
        """Yield the microbatches of each step: its short rows, and its long ones where that saves padding."""
        while True:
            rows: list[Processed] = []
            while len(rows) < batch_size:
                ready = self._try(next(samples))
                if ready is not None:
                    rows.append(ready)
            rows.sort(key=lambda row: len(row.model_input.input_ids))
            cut = best_cut([len(row.model_input.input_ids) for row in rows])
            yield [self._collate(part) for part in (rows[:cut], rows[cut:]) if part]

    def _try(self, sample: Sample) -> Processed | None:
        if not self._keeps(sample):
            return None
        try:
            ready = self.process(sample)
        except VL2Error as error:
            self.skipped[error.thing] += 1
            return None
        slots = slot_targets(sample, ready.grids, self.tile_size, self.side, self.classes) if ready.grids else None
        return Processed(ready, slots, self.point(sample, ready) if self.point else [])

    def _keeps(self, sample: Sample) -> bool:
        """Thin out the samples with a picture of several tiles, always the same ones."""
        is_large = any(max(image.width or 0, image.height or 0) > self.tile_size for image in sample.images)
        return not is_large or zlib.crc32(sample.id.encode()) % 1000 < self.large_share * 1000

    def _collate(self, rows: list[Processed]) -> Microbatch:
        slots = [row.slots for row in rows if row.slots is not None]
        inputs = [row.model_input for row in rows]
        batch = Batch.from_inputs([[item] for item in inputs], self.pad_id, LENGTH_STEP)
        pointers = Pointers.collate([row.places for row in rows])
        return Microbatch(batch, SlotTargets.join(slots) if slots else None, pointers)


def best_cut(lengths: Sequence[int]) -> int:
    """Return where to cut sorted lengths into two groups so that least is computed, padding and calls included."""

    def cost(cut: int) -> int:
        groups = [group for group in (lengths[:cut], lengths[cut:]) if group]
        return sum(len(group) * group[-1] + CALL_COST for group in groups)

    return min((*range(ROWS_STEP, len(lengths), ROWS_STEP), len(lengths)), key=cost)
