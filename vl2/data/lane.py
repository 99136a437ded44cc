"""Lane: one of the independent streams that a global batch is made of, from sources to full rows.

A lane belongs to the run, not to a rank: ranks share the lanes out, and a run that goes on with more or fewer ranks
shares them out anew. What a lane yields depends on its state alone. It plans rows ahead, so that workers decode them,
and when an image turns out to be broken it plans again from the row that wanted it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.core.errors import VL2Error
from vl2.data.faults import Fault, add_fault
from vl2.data.lane_state import LaneState, Ref
from vl2.data.packing import PackLimits, choose
from vl2.data.prefetch import Wait, Workers
from vl2.data.reader import Measured
from vl2.data.token_mixture import TokenMixture
from vl2.data.windows import Windows

MOST_FAULTS = 1000  # rows of a lane that cannot be used without one between them that can
MEASURED_AHEAD = 8  # rows of each source
TOO_LONG = Fault("longer than a row, or of more tiles")


@dataclass(frozen=True, kw_only=True)
class LanePlan:
    """What all lanes of a run have in common."""

    mixture: TokenMixture
    windows: Mapping[str, Windows]
    limits: PackLimits
    num_waiting: int  # documents that a row is chosen from; 1: a document a row
    is_packed: bool
    rows_ahead: int


@dataclass(frozen=True, kw_only=True)
class FullRow:
    """The documents of one row, whole."""

    ids: tuple[str, ...]
    documents: tuple[ModelInput, ...]


@dataclass(frozen=True, kw_only=True)
class _Planned:
    """A row whose images are being decoded."""

    chosen: tuple[Ref, ...]
    filled: LaneState  # the state that it was chosen in
    after: LaneState


class Lane:
    """Yield rows from a state on."""

    def __init__(self, plan: LanePlan, state: LaneState, workers: Workers) -> None:
        self.state = state
        self._plan, self._workers = plan, workers
        self._planned: deque[_Planned] = deque()
        self._measured: dict[Ref, Wait] = {}
        self._tiles: dict[Ref, Wait] = {}
        self._num_faults = 0  # since the last row

    def next_row(self) -> FullRow:
        """Return the next row and step to the state after it. Raises VL2Error when nothing can be used."""
        while True:
            self.plan_ahead()
            planned = self._planned.popleft()
            tiles = {ref: self._cut(ref)() for ref in planned.chosen}
            broken = {ref: found for ref, found in tiles.items() if isinstance(found, Fault)}
            if not broken:
                break
            self._planned.clear()
            self.state = self._without(planned.filled, broken)
        row = self._row({ref: found for ref, found in tiles.items() if isinstance(found, Tensor)})
        self.state = planned.after
        self._num_faults = 0
        self._forget(planned.chosen)
        return row

    def plan_ahead(self) -> None:
        """Choose the next rows, so that their images are decoded by the time they are asked for."""
        while len(self._planned) < self._plan.rows_ahead:
            filled = self._fill(self._planned[-1].after if self._planned else self.state)
            numbers = [0]
            if self._plan.is_packed:
                numbers = choose([self._document(ref).size for ref in filled.waiting], self._plan.limits)
            chosen = tuple(filled.waiting[number] for number in numbers)
            left = tuple(ref for ref in filled.waiting if ref not in chosen)
            self._planned.append(_Planned(chosen=chosen, filled=filled, after=replace(filled, waiting=left)))
            for ref in chosen:
                self._cut(ref)

    def _fill(self, state: LaneState) -> LaneState:
        """Read rows until enough documents wait."""
        while len(state.waiting) < self._plan.num_waiting:
            name = self._plan.mixture.next_source(state.served)
            ref = Ref(name, state.cursors[name])
            state = replace(state, cursors={**state.cursors, name: self._plan.windows[name].after(ref.cursor)})
            found = self._measure(ref)
            if isinstance(found, Measured) and not self._plan.limits.hold(found.size):
                found = TOO_LONG
            if isinstance(found, Fault):
                self._note_faults(1, state)
                state = replace(state, skipped=add_fault(state.skipped, found))
            else:
                served = {**state.served, name: state.served[name] + found.size.tokens}
                state = replace(state, served=served, waiting=(*state.waiting, ref))
        return state

    def _without(self, state: LaneState, broken: Mapping[Ref, Fault]) -> LaneState:
        """Return the state as if the broken documents had never come: their sources are behind by their tokens."""
        self._note_faults(len(broken), state)
        served, skipped = dict(state.served), state.skipped
        for ref, fault in broken.items():
            served[ref.source] -= self._document(ref).size.tokens
            skipped = add_fault(skipped, fault)
        waiting = tuple(ref for ref in state.waiting if ref not in broken)
        self._forget(broken)
        return replace(state, served=served, skipped=skipped, waiting=waiting)

    def _row(self, tiles: Mapping[Ref, Tensor]) -> FullRow:
        found = {ref: self._document(ref) for ref in tiles}
        return FullRow(
            ids=tuple(measured.id for measured in found.values()),
            documents=tuple(replace(measured.document, tiles=tiles[ref]) for ref, measured in found.items()),
        )

    def _measure(self, ref: Ref) -> Measured | Fault:
        """Return the document of a row, and have those after it measured."""
        windows, cursor = self._plan.windows[ref.source], ref.cursor
        for _ in range(MEASURED_AHEAD):
            wanted = Ref(ref.source, cursor)
            if wanted not in self._measured:
                self._measured[wanted] = self._workers.measure(ref.source, *windows.locate(cursor))
            cursor = windows.after(cursor)
        return self._measured[ref]()

    def _document(self, ref: Ref) -> Measured:
        if ref not in self._measured:  # after a resume
            location = self._plan.windows[ref.source].locate(ref.cursor)
            self._measured[ref] = self._workers.measure(ref.source, *location)
        found = self._measured[ref]()
        if isinstance(found, Fault):
            raise VL2Error(
                f"source {ref.source}", f"a row that waited can no longer be read: {found.reason}",
                do="Give back the data as it was, or start the stage anew.",
            )  # fmt: skip
        return found

    def _cut(self, ref: Ref) -> Wait:
        if ref not in self._tiles:
            measured = self._document(ref)
            no_tiles = measured.document.tiles
            self._tiles[ref] = self._workers.cut(measured) if measured.images else lambda: no_tiles
        return self._tiles[ref]

    def _forget(self, used: Iterable[Ref]) -> None:
        """Drop what no later state asks for: documents in a row that was yielded, and rows that were skipped."""
        for ref in used:
            self._tiles.pop(ref, None)
            self._measured.pop(ref, None)
        waiting, cursors = set(self.state.waiting), self.state.cursors
        for ref in [ref for ref in self._measured if ref.cursor < cursors[ref.source] and ref not in waiting]:
            del self._measured[ref]

    def _note_faults(self, count: int, state: LaneState) -> None:
        self._num_faults += count
        if self._num_faults > MOST_FAULTS:
            counted = ", ".join(f"{number} x {reason}" for reason, number in state.skipped.items())
            raise VL2Error(
                "data", f"{MOST_FAULTS} rows in a row cannot be used", got=counted[:300], do="Correct the data."
            )
