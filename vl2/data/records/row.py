"""Row: one record as a file holds it, and the pieces in which files are read."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vl2.data.faults import Fault

MOST_IMAGES = 64  # of one row
MOST_PIECES = 1 << 19  # of one file: 4 MB of places, however many rows it has


@dataclass(frozen=True)
class Row:
    """A record, and the encoded images that lay beside it; without any, the record names its images."""

    record: Mapping[str, Any]
    images: tuple[bytes, ...] = ()


class RecordFile(Protocol):
    """A file of rows. Only the piece that is asked for is in memory."""

    path: str
    piece_rows: np.ndarray  # [pieces] how many rows each piece has

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the rows of one piece."""
        ...


class Places:
    """Where the pieces of a file begin: every row while there are few, every 2nd, 4th, .. when there are many."""

    def __init__(self) -> None:
        self.offsets = array("q")
        self.step = 1
        self.num_rows = 0

    def add(self, offset: int) -> None:
        """Note the place of the next row."""
        if self.num_rows % self.step == 0:
            self.offsets.append(offset)
        self.num_rows += 1
        if len(self.offsets) > MOST_PIECES:
            self.offsets = self.offsets[::2]
            self.step *= 2

    def rows(self) -> np.ndarray:
        """Return the rows of each piece [pieces]; only the last may have fewer than `step`."""
        rows = np.full(len(self.offsets), self.step)
        if len(rows):
            rows[-1] = self.num_rows - self.step * (len(rows) - 1)
        return rows


def first_rows(piece_rows: np.ndarray) -> np.ndarray:
    """Return the first row of each piece, and where the last ends [pieces + 1]."""
    found = np.zeros(len(piece_rows) + 1, np.int64)
    np.cumsum(piece_rows, out=found[1:])
    return found
