"""Samples to microbatches: processed, packed into rows, with dense targets beside them."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vl2.core.batch import Batch, ModelInput
from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.data.packing import PackLimits, Size, choose, pack
from vl2.data.pointers import Place, Pointers
from vl2.data.slots import FigureClasses, SlotTargets, slot_targets

LENGTH_STEP = 16  # new sizes make matrix products slow on a CPU, so lengths come in steps
ATTENTION_EQUALS = 900  # tokens of a row for which attention costs as much as all the rest


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
    taken: int = 0  # samples drawn from the stream, those that were left out too; a resume goes on behind them

    def steps(self, samples: Iterator[Sample], batch_size: int) -> Iterator[Microbatch]:
        """Yield the microbatch of each step: its samples, packed into rows."""
        while True:
            ready: list[Processed] = []
            while len(ready) < batch_size:
                one = self._try(next(samples))
                self.taken += 1
                if one is not None:
                    ready.append(one)
            shared = share_rows([len(one.model_input.input_ids) for one in ready])
            yield self._collate([[ready[number] for number in row] for row in shared])

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

    def _collate(self, rows: Sequence[Sequence[Processed]]) -> Microbatch:
        slots = [one.slots for row in rows for one in row if one.slots is not None]
        batch = pack([[one.model_input for one in row] for row in rows], self.pad_id, LENGTH_STEP)
        pointers = Pointers.collate([_places(row) for row in rows])
        return Microbatch(batch, SlotTargets.join(slots) if slots else None, pointers)


def _places(row: Sequence[Processed]) -> list[Place]:
    """Return the places of documents in a row, each moved to where its document stands."""
    places: list[Place] = []
    start = 0
    for one in row:
        places += [place.after(start) for place in one.places]
        start += len(one.model_input.input_ids)
    return places


def share_rows(lengths: Sequence[int]) -> list[list[int]]:
    """Return which samples share a row, so that least is computed: padding, and keys, more of them in longer rows."""
    longest = max(lengths)
    step = range(longest + -longest % LENGTH_STEP, 2 * longest + LENGTH_STEP, LENGTH_STEP)
    return min((_fill(lengths, capacity) for capacity in step), key=lambda rows: cost_of(rows, lengths))


def cost_of(rows: Sequence[Sequence[int]], lengths: Sequence[int]) -> float:
    """Return what a pass over these rows costs, in tokens without attention."""
    width = max(sum(lengths[number] for number in row) for row in rows)
    width += -width % LENGTH_STEP
    return len(rows) * width * (1 + width / ATTENTION_EQUALS)


def _fill(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Fill row after row, each with the longest sample that is left and what fits beside it best."""
    left = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    rows: list[list[int]] = []
    while left:
        chosen = choose([Size(tokens=lengths[number]) for number in left], PackLimits(tokens=capacity, tiles=0))
        rows.append([left[place] for place in chosen])
        left = [number for place, number in enumerate(left) if place not in chosen]
    return rows
