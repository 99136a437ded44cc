"""Gathering: what a step that has to see all blocks takes of each, and what it says about their rows then."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vl2.core.sample import Sample
from vl2.corpus.buckets import MOST_BUCKETS, Buckets, records_of
from vl2.corpus.manifest import INCOMPLETE
from vl2.corpus.step import is_kept

Arrays = Mapping[str, np.ndarray]  # the first axis counts the kept rows of a block
RANGE_ROWS = 1 << 14  # whose ids are in memory at a time
_PAIR = np.dtype([("row", "<i8"), ("first", "<i8")])
_NAMED = np.dtype([("row", "<i8"), ("id", "S32")])


@dataclass(frozen=True)
class Refusal:
    """A row that goes because of another one: its block, its place in it, why, and the id of the other."""

    block: int
    row: int
    reason: str
    because_of: str


@dataclass(frozen=True, kw_only=True)
class Gathering:
    """Take arrays of the kept rows of one block; later look at those of all blocks, in order, and refuse rows.

    Refusals come in the order of blocks.
    """

    take: Callable[[Sequence[Sample], Any], Arrays]
    refuse: Callable[[Gathered, Any], Iterator[Refusal]]


class Gathered:
    """What was taken of all blocks: of some rows at a time in memory, however many there are."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._firsts = np.cumsum([0, *(len(arrays["row"]) for _, arrays in self._load(range(len(files))))])
        # beside the files, for their disk has room; what a killed run leaves is cleared as half written
        self._scratch = tempfile.TemporaryDirectory(suffix=INCOMPLETE, dir=files[0].parent if files else None)
        self._range_rows = max(RANGE_ROWS, 1 + len(self) // MOST_BUCKETS)

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @property
    def scratch(self) -> Path:
        """Return a folder for what does not fit into memory."""
        return Path(self._scratch.name)

    def blocks(self) -> Iterator[tuple[np.ndarray, Arrays]]:
        """Yield of each block its rows, counted over all blocks [rows], and what was taken of them."""
        for block, arrays in self._load(range(len(self._files))):
            yield np.arange(self._firsts[block], self._firsts[block + 1]), arrays

    def refusals(self, pairs: Iterable[tuple[np.ndarray, np.ndarray]], reason: str) -> Iterator[Refusal]:
        """Yield the refusals of rows because of others, both [N] and counted over all blocks; each row once."""
        number = 1 + len(self) // self._range_rows
        by_first, by_row = (
            Buckets(self.scratch / name, dtype, number) for name, dtype in (("first", _PAIR), ("row", _NAMED))
        )
        for rows, firsts in pairs:
            by_first.add(records_of(_PAIR, row=rows, first=firsts), self._range(firsts))
        for place, records in enumerate(by_first):
            ids = self._of_range(place, "id", records["first"])
            by_row.add(records_of(_NAMED, row=records["row"], id=ids), self._range(records["row"]))
        for place, records in enumerate(by_row):
            records = np.sort(records, order="row")
            blocks = self._block(records["row"])
            rows = self._of_range(place, "row", records["row"])
            for block, row, because_of in zip(blocks.tolist(), rows.tolist(), records["id"].tolist(), strict=True):
                yield Refusal(block, row, reason, because_of.decode())

    def _block(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._firsts, rows, "right") - 1

    def _range(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of the ranges of whole blocks that rows are in."""
        return self._firsts[self._block(rows)] // self._range_rows

    def _of_range(self, place: int, name: str, rows: np.ndarray) -> np.ndarray:
        """Return an array's values at rows that are all in one range."""
        blocks = np.flatnonzero(self._firsts[:-1] // self._range_rows == place)
        if not len(rows) or not len(blocks):
            return np.empty(0, "S32" if name == "id" else np.int64)
        found = np.concatenate([arrays[name] for _, arrays in self._load(blocks.tolist())])
        return found[rows - self._firsts[blocks[0]]]

    def _load(self, blocks: Iterable[int]) -> Iterator[tuple[int, Arrays]]:
        for block in blocks:
            with np.load(self._files[block], allow_pickle=False) as arrays:
                yield block, arrays


def take(gathering: Gathering, settings: Any, batch: Sequence[Sample]) -> bytes:
    """Return what is taken of a block, as an .npz file."""
    rows = [number for number, sample in enumerate(batch) if is_kept(sample)]
    kept = [batch[number] for number in rows]
    ids = np.array([sample.id.encode() for sample in kept], "S32")
    arrays: dict[str, Any] = {"row": np.array(rows, np.int64), "id": ids, **gathering.take(kept, settings)}
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()
