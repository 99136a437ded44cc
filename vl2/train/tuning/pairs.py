"""Pairs: a question with an answer that is preferred and one that is not, from rows with a rejected answer.

A row is a conversation in any form of vl2/data/records that ends with the chosen answer, and `rejected`, or ms-swift's
`rejected_response`: the text of the answer that should not have stood there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

import torch

from vl2.core.batch import IGNORE_INDEX, ModelInput
from vl2.core.errors import VL2Error
from vl2.core.sample import Message, Sample, TextPart
from vl2.data.faults import Fault
from vl2.data.records.files import find_files, kind_of
from vl2.data.records.forms import to_sample
from vl2.data.records.json_rows import JsonRows
from vl2.data.records.parquet_rows import ParquetRows
from vl2.data.records.root import Root
from vl2.data.records.row import RecordFile, Row
from vl2.data.records.tar_rows import TarRows
from vl2.processor import Processor
from vl2.train.tuning.examples import answered, fitting

REJECTED = ("rejected", "rejected_response")
PIECES_KEPT = 8
PLACES = ("<bbox>", "<ref-object>")  # ms-swift fills them from `objects`; there the boxes of both endings are one list
FILES: dict[str, Callable[[str], RecordFile]] = {
    ".jsonl": JsonRows, ".ndjson": JsonRows, ".json": JsonRows, ".parquet": ParquetRows, ".tar": TarRows,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Preferred:
    """One conversation with two endings."""

    chosen: Sample
    rejected: Sample


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both as the model reads them, with the last answer as labels; they share their tiles."""

    chosen: ModelInput
    rejected: ModelInput


class PairList:
    """All rows of some files, in order; one that cannot be used is a Fault."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Open files, folders and patterns. Raises VL2Error on what is no file of rows."""
        self.files = [_open(file) for path in paths for file in find_files(path)]
        self._places = [(file, piece) for file in self.files for piece in range(len(file.piece_rows))]
        self._ends = list(accumulate(int(rows) for file in self.files for rows in file.piece_rows))
        self._read = lru_cache(maxsize=PIECES_KEPT)(lambda piece: self._places[piece][0].read(self._places[piece][1]))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, row: int) -> Preferred | Fault:
        piece = bisect_right(self._ends, row)
        rows: list[Row | Fault] = self._read(piece)
        found = rows[row - self._ends[piece] + len(rows)]
        if isinstance(found, Fault):
            return found
        folder, _, name = self._places[piece][0].path.rpartition("/")
        chosen = to_sample(found, f"{name}:{row}", Root(folder or "."))
        if isinstance(chosen, Fault):
            return chosen
        told = next((found.record[name] for name in REJECTED if name in found.record), None)
        if not isinstance(told, str) or not told.strip():
            return Fault("no rejected answer in it")
        if any(place in told for place in PLACES):
            return Fault("a rejected answer with places for boxes")
        ending = Message("assistant", (TextPart(told),))
        return Preferred(chosen=chosen, rejected=replace(chosen, messages=(*chosen.messages[:-1], ending)))


@dataclass(frozen=True, kw_only=True)
class PairReader:
    """Pairs as the model learns from them."""

    pairs: PairList
    processor: Processor
    max_tokens: int

    def __call__(self, row: int, place: int | None) -> Pair | Fault:
        """Return a pair, or why not. Raises VL2Error."""
        told = self.pairs[row]
        if isinstance(told, Fault):
            return told
        chosen, rejected = (
            fitting(last_answer(answered(self.processor, sample)), self.max_tokens)
            for sample in (told.chosen, told.rejected)
        )
        if isinstance(chosen, Fault):
            return chosen
        if isinstance(rejected, Fault):
            return rejected
        if torch.equal(chosen.input_ids, rejected.input_ids):
            return Fault("both answers are the same")
        return Pair(chosen=chosen, rejected=replace(rejected, tiles=chosen.tiles))


def last_answer(ready: ModelInput) -> ModelInput:
    """Return an input of whose answers only the last is supervised: both endings share the others."""
    masked = (ready.labels == IGNORE_INDEX).nonzero()  # [M, 1]
    labels = ready.labels.clone()
    labels[: int(masked[-1])] = IGNORE_INDEX
    return replace(ready, labels=labels)


def _open(path: str) -> RecordFile:
    kind = kind_of(path)
    if kind not in FILES:
        raise VL2Error(path, "no file of pairs", expected=", ".join(FILES), do="See docs/training.md.")
    return FILES[kind](path)
