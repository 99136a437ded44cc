"""State: all that a stream needs to go on exactly where it stopped, as a few numbers that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vl2.core.errors import VL2Error
from vl2.data.windows import Cursor

VERSION = 1


class Ref(NamedTuple):
    """One row of a source, as a lane names it."""

    source: str
    cursor: Cursor


@dataclass(frozen=True, kw_only=True)
class LaneState:
    """Where one lane stands."""

    served: Mapping[str, int]  # tokens by source, those that wait included
    cursors: Mapping[str, Cursor]  # the next row of each source
    waiting: tuple[Ref, ...] = ()  # read but in no row yet, the oldest first
    skipped: Mapping[str, int]  # rows by reason

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "served": dict(self.served),
            "cursors": {name: [cursor.window, cursor.offset] for name, cursor in self.cursors.items()},
            "waiting": [[ref.source, ref.cursor.window, ref.cursor.offset] for ref in self.waiting],
            "skipped": dict(self.skipped),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LaneState:
        """Return what `to_json` gave."""
        return cls(
            served=values["served"],
            cursors={name: Cursor(*numbers) for name, numbers in values["cursors"].items()},
            waiting=tuple(Ref(source, Cursor(*numbers)) for source, *numbers in values["waiting"]),
            skipped=values["skipped"],
        )


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """Where a stream stands after a step: the lanes of one rank, or of all when joined."""

    step: int
    fingerprint: Mapping[str, Any]  # what the order of rows depends on
    lanes: Mapping[int, LaneState]

    @classmethod
    def join(cls, states: Sequence[StreamState]) -> StreamState:
        """Return the state of all ranks, which any number of ranks can load. Raises VL2Error on states that differ."""
        first = states[0]
        if any((state.step, state.fingerprint) != (first.step, first.fingerprint) for state in states):
            raise VL2Error("data state", "ranks are at different steps or read different data")
        lanes = {number: lane for state in states for number, lane in state.lanes.items()}
        return cls(step=first.step, fingerprint=first.fingerprint, lanes=dict(sorted(lanes.items())))

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        lanes = {str(number): lane.to_json() for number, lane in self.lanes.items()}
        return {"version": VERSION, "step": self.step, "fingerprint": dict(self.fingerprint), "lanes": lanes}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StreamState:
        """Return what `to_json` gave. Raises VL2Error when another version wrote it."""
        if values["version"] != VERSION:
            raise VL2Error("data state", "of another version", got=values["version"], expected=VERSION)
        lanes = {int(number): LaneState.from_json(lane) for number, lane in values["lanes"].items()}
        return cls(step=values["step"], fingerprint=values["fingerprint"], lanes=lanes)

    def check(self, fingerprint: Mapping[str, Any], lanes: Sequence[int]) -> None:
        """Raise VL2Error unless a stream of this fingerprint can go on with these lanes from here."""
        for name, value in fingerprint.items():
            saved = self.fingerprint.get(name)  # None when an older version did not know it
            if saved != value:
                raise VL2Error(
                    "data state", f"{name} has changed, and rows would come in another order", got=value,
                    expected=saved, do="Go on with the settings and data of the saved run, or start the stage anew.",
                )  # fmt: skip
        missing = [number for number in lanes if number not in self.lanes]
        if missing:
            raise VL2Error(
                "data state", "lanes are missing", got=f"lanes {sorted(self.lanes)}", expected=f"lane {missing[0]}",
                do="Join the states of all ranks before saving.",
            )  # fmt: skip
