"""Source: some rows of a list, made ready for the model; what cannot be used is counted, and its neighbour taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

from vl2.core.errors import ConfigError, VL2Error
from vl2.data.faults import Fault, add_fault, fault_of
from vl2.data.order import Rounds
from vl2.train.tuning.tune_config import TuneConfig

T = TypeVar("T")
Rows = TypeVar("Rows", bound=Sized)  # of files, before they are made ready
MOST_TRIES = 100  # samples in a row that cannot be used
MOST_HELD_OUT = 128  # samples that are looked at during training
CORRECT = "Correct the data."


@dataclass(kw_only=True)
class Source(Generic[T]):
    """Some rows, in a shuffled order."""

    rows: Sequence[int]
    ready: Callable[[int, int | None], T | Fault]  # of a row, as it is shown at a place; may raise VL2Error
    seed: int
    skipped: Mapping[str, int] = field(default_factory=dict)  # by reason

    def __post_init__(self) -> None:
        self.rounds = Rounds(len(self.rows), self.seed)

    def take(self, first: int, count: int) -> list[T]:
        """Return `count` of them from place `first` on; in place of one that cannot be used comes its neighbour."""
        return [self._usable(place) for place in range(first, first + count)]

    def read(self, row: int, place: int | None = None) -> T | None:
        """Return what a row holds, or None and count the reason."""
        try:
            found = self.ready(row, place)
        except VL2Error as error:
            found = fault_of(error)
        if isinstance(found, Fault):
            self.skipped = add_fault(self.skipped, found)
            return None
        return found

    def held_out(self, rows: Sequence[int]) -> list[T]:
        """Return those of the rows that can be used. Raises ConfigError when there is none."""
        found = [ready for row in rows if (ready := self.read(row)) is not None]
        if not found:
            raise ConfigError("data", "none of the held-out samples can be used", got=self._reasons(), do=CORRECT)
        return found

    def _usable(self, place: int) -> T:
        if not self.rows:
            raise ConfigError("data", "has no samples", got="an empty file or folder", do=CORRECT)
        index = self.rounds[place]
        for step in range(min(MOST_TRIES, len(self.rows))):
            ready = self.read(self.rows[(index + step) % len(self.rows)], place)
            if ready is not None:
                return ready
        raise VL2Error("data", "none of its samples can be used", got=self._reasons(), do=CORRECT)

    def _reasons(self) -> str:
        return ", ".join(f"{number} x {reason}" for reason, number in self.skipped.items())


def open_sources(
    config: TuneConfig, open_rows: Callable[[tuple[str, ...]], Rows], source: Callable[[Rows, Sequence[int]], Source[T]]
) -> tuple[Source[T], list[T]]:
    """Return what a tuning learns from, and what it only looks at: its `eval_data`, else a share of the data.

    Raises VL2Error where there is nothing to learn from, or to look at.
    """
    rows = open_rows(config.data)
    own, held_out = _split(config, len(rows))
    learned = looked_at = source(rows, own)
    if config.eval_data:
        others = open_rows(config.eval_data)
        looked_at, held_out = source(others, ()), range(min(MOST_HELD_OUT, len(others)))
    return learned, looked_at.held_out(held_out)


def _split(config: TuneConfig, num_samples: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return the rows that are learned from, and those that are only looked at."""
    if config.eval_data:
        return range(num_samples), ()
    num_held_out = min(MOST_HELD_OUT, round(num_samples * config.eval_share))
    if not 0 < num_held_out < num_samples:
        raise ConfigError(
            "eval_share", "leaves no sample to look at, or none to learn from", got=config.eval_share,
            expected=f"a share of {num_samples} samples", do="Change it, or give --eval-data.",
        )  # fmt: skip
    order = torch.randperm(num_samples, generator=torch.Generator().manual_seed(config.seed)).tolist()
    return order[num_held_out:], order[:num_held_out]
