"""Training stream: sources to packed batches, the same rows in the same order whatever the number of ranks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vl2.core.batch import Batch
from vl2.core.errors import ConfigError
from vl2.data.lane import FullRow, Lane, LanePlan
from vl2.data.lane_state import LaneState, StreamState
from vl2.data.packing import PackLimits, pack
from vl2.data.prefetch import WorkerKind, Workers
from vl2.data.reader import Reader, Records
from vl2.data.token_mixture import TokenMixture
from vl2.data.windows import Windows
from vl2.processor import Processor

UNPACKED_LENGTH_STEP = 64  # lengths of unpacked batches come in steps: each new one is compiled and planned anew


@dataclass(frozen=True, kw_only=True)
class Source:
    """Records and their share of the tokens, in any unit."""

    name: str
    share: float
    records: Records


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How rows are made. Raises ConfigError on numbers that do not divide."""

    rows_per_step: int  # of the global batch, by all ranks together (Table 2 of the paper: batch)
    num_lanes: int = 8  # the most ranks that can share the stream; fixed for a run
    rows_per_batch: int = 1  # of a microbatch
    limits: PackLimits = PackLimits()
    is_packed: bool = True  # False: a document a row, as the paper aligns
    num_waiting: int = 64  # documents that each row of a lane is chosen from
    mask_prompt: bool = False  # True: only answers are learned (paper, section 4.1)
    seed: int = 0
    num_workers: int = 2
    worker_kind: WorkerKind = "threads"
    rows_ahead: int = 2  # of each lane, decoded before they are asked for

    def __post_init__(self) -> None:
        for name in ("rows_per_step", "num_lanes", "rows_per_batch", "num_waiting", "rows_ahead"):
            if getattr(self, name) < 1:
                raise ConfigError(name, "must be positive", got=getattr(self, name))
        if self.rows_per_step % self.num_lanes:
            do = "Choose lanes that divide the rows of a step."
            raise ConfigError("num_lanes", "does not divide rows_per_step", got=self.num_lanes, do=do)


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """One rank's part of a global batch."""

    number: int
    batches: tuple[Batch, ...]  # the microbatches
    ids: tuple[tuple[str, ...], ...]  # the samples of each row

    @property
    def num_tiles(self) -> tuple[int, ...]:
        """Return the tiles of each microbatch."""
        return tuple(0 if batch.tiles is None else len(batch.tiles) for batch in self.batches)


class TrainingStream:
    """Yield steps for ever. Use it as a context manager, or close it: it has workers.

    A global step is `rows_per_step` rows, lane by lane; a rank takes the rows of its lanes, so that the ranks' rows in
    the order of ranks are the same rows at any number of ranks.
    """

    def __init__(
        self, sources: Sequence[Source], processor: Processor, settings: StreamSettings, *, rank: int = 0,
        world_size: int = 1,
    ) -> None:  # fmt: skip
        """Start at the first row. Raises ConfigError on a number of ranks that the lanes cannot be shared out to."""
        self.settings, self._pad_id = settings, processor.pad_id
        self._lanes_here = _share_out(settings, rank, world_size)
        windows = {
            one.name: Windows(one.name, one.records.piece_rows, seed=settings.seed, num_lanes=settings.num_lanes)
            for one in sources
        }
        self._plan = LanePlan(
            mixture=TokenMixture({one.name: one.share for one in sources}),
            windows=windows,
            limits=settings.limits,
            num_waiting=settings.num_waiting if settings.is_packed else 1,
            is_packed=settings.is_packed,
            rows_ahead=settings.rows_ahead,
        )
        self._fingerprint = _fingerprint(sources, processor, settings)
        reader = Reader({one.name: one.records for one in sources}, processor, mask_prompt=settings.mask_prompt)
        self._workers = Workers(reader, settings.num_workers, settings.worker_kind)
        self._step = 0
        self._lanes = {
            number: Lane(self._plan, _at_first(windows, number), self._workers) for number in self._lanes_here
        }

    def __iter__(self) -> Iterator[TrainingStep]:
        return self

    def __next__(self) -> TrainingStep:
        rows_per_lane = self.settings.rows_per_step // self.settings.num_lanes
        rows = [lane.next_row() for lane in self._lanes.values() for _ in range(rows_per_lane)]
        for lane in self._lanes.values():
            lane.plan_ahead()  # decoded while the step is computed
        number, size = self._step, self.settings.rows_per_batch
        self._step += 1
        return TrainingStep(
            number=number,
            batches=tuple(self._batch(rows[at : at + size]) for at in range(0, len(rows), size)),
            ids=tuple(row.ids for row in rows),
        )

    def __enter__(self) -> TrainingStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        self._workers.close()

    @property
    def skipped(self) -> dict[str, int]:
        """Return the rows that this rank's lanes could not use, by reason, since the run began."""
        counts: dict[str, int] = {}
        for lane in self._lanes.values():
            for reason, count in lane.state.skipped.items():
                counts[reason] = counts.get(reason, 0) + count
        return counts

    @property
    def served(self) -> dict[str, int]:
        """Return the tokens of each source in this rank's lanes since the run began."""
        names = self._plan.windows
        return {name: sum(lane.state.served[name] for lane in self._lanes.values()) for name in names}

    def state(self) -> StreamState:
        """Return where this rank stands after the last step; join the states of all ranks to save them."""
        lanes = {number: lane.state for number, lane in self._lanes.items()}
        return StreamState(step=self._step, fingerprint=self._fingerprint, lanes=lanes)

    def load_state(self, state: StreamState) -> None:
        """Go on from a joined state, saved by any number of ranks. Raises VL2Error when rows would differ."""
        state.check(self._fingerprint, self._lanes_here)
        self._step = state.step
        self._lanes = {number: Lane(self._plan, state.lanes[number], self._workers) for number in self._lanes_here}

    def _batch(self, rows: Sequence[FullRow]) -> Batch:
        step = self.settings.limits.tokens if self.settings.is_packed else UNPACKED_LENGTH_STEP
        return pack([row.documents for row in rows], self._pad_id, step)


def _share_out(settings: StreamSettings, rank: int, world_size: int) -> range:
    """Return the lanes of a rank."""
    if settings.num_lanes % world_size:
        raise ConfigError(
            "num_lanes", "cannot be shared out evenly", got=f"{settings.num_lanes} lanes, {world_size} ranks",
            do="Use a number of data-parallel ranks that divides the lanes; lanes are fixed for a run.",
        )  # fmt: skip
    share = settings.num_lanes // world_size
    if (settings.rows_per_step // world_size) % settings.rows_per_batch:
        raise ConfigError(
            "rows_per_batch", "does not divide a rank's rows", got=settings.rows_per_batch,
            expected=f"a divisor of {settings.rows_per_step // world_size}",
        )  # fmt: skip
    return range(rank * share, (rank + 1) * share)


def _at_first(windows: Mapping[str, Windows], lane: int) -> LaneState:
    cursors = {name: window.first(lane) for name, window in windows.items()}
    return LaneState(served=dict.fromkeys(windows, 0), cursors=cursors, skipped={})


def _fingerprint(sources: Sequence[Source], processor: Processor, settings: StreamSettings) -> dict[str, Any]:
    """Return what the order of rows depends on; neither ranks nor workers do."""
    names = ("rows_per_step", "num_lanes", "is_packed", "num_waiting", "mask_prompt", "seed")
    found: dict[str, Any] = {name: getattr(settings, name) for name in names}
    found |= {"tokens": settings.limits.tokens, "tiles": settings.limits.tiles}
    found["processor"] = zlib.crc32(repr(processor.settings).encode())
    for one in sources:
        rows = one.records.piece_rows
        found[f"source {one.name}"] = [one.share, int(rows.sum()), zlib.crc32(rows.astype("<i8").tobytes())]
    found["sources"] = [one.name for one in sources]
    return found
