"""Gathering: what a step that has to see all blocks takes of each, and what it says about their rows then."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vl2.core.sample import Sample
from vl2.corpus.step import is_kept

Arrays = Mapping[str, np.ndarray]  # the first axis counts the kept rows of a block


@dataclass(frozen=True)
class Refusal:
    """A row that goes because of another one: its block, its place in it, why, and the id of the other."""

    block: int
    row: int
    reason: str
    because_of: str


@dataclass(frozen=True, kw_only=True)
class Gathering:
    """Take arrays of the kept rows of one block; later look at those of all blocks, in order, and refuse rows."""

    take: Callable[[Sequence[Sample], Any], Arrays]
    refuse: Callable[[Gathered, Any], Iterator[Refusal]]


class Gathered:
    """What was taken of all blocks. One array is in memory at a time, over all blocks."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        sizes = [len(self._load(file, "row")) for file in files]
        self._blocks = np.repeat(np.arange(len(files)), sizes)
        self._rows = self.array("row")
        self._ids = self.array("id")

    def __len__(self) -> int:
        return len(self._rows)

    def array(self, name: str) -> np.ndarray:
        """Return one array over all blocks [rows, ..]."""
        return np.concatenate([self._load(file, name) for file in self._files])

    def refusal(self, row: int, reason: str, kept: int) -> Refusal:
        """Return the refusal of a row, both rows counted over all blocks."""
        return Refusal(int(self._blocks[row]), int(self._rows[row]), reason, self._ids[kept].decode())

    @staticmethod
    def _load(file: Path, name: str) -> np.ndarray:
        with np.load(file, allow_pickle=False) as arrays:
            return arrays[name]


def take(gathering: Gathering, settings: Any, batch: Sequence[Sample]) -> bytes:
    """Return what is taken of a block, as an .npz file."""
    rows = [number for number, sample in enumerate(batch) if is_kept(sample)]
    kept = [batch[number] for number in rows]
    ids = np.array([sample.id.encode() for sample in kept], "S32")
    arrays: dict[str, Any] = {"row": np.array(rows, np.int64), "id": ids, **gathering.take(kept, settings)}
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()
