"""Windows: the order in which a source is read. Endless shuffled rounds, and any place can be asked for.

Pieces of files are shuffled and grouped into windows, whose rows are shuffled once more. A lane takes every L-th
window, so that each piece is read by one lane, from one part of one file, and a resume needs two numbers a source.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vl2.core.errors import VL2Error

WINDOW_ROWS = 1024  # about as many rows are shuffled together, where there are so many
_ROUNDS_KEPT, _WINDOWS_KEPT = 2, 64


@dataclass(frozen=True, order=True)
class Cursor:
    """A place in a lane's order: the window, counted through all rounds and lanes, and the row within."""

    window: int
    offset: int = 0


class Windows:
    """The order of one source, the same for every lane and process that is told the same numbers."""

    def __init__(self, name: str, piece_rows: np.ndarray, *, seed: int, num_lanes: int) -> None:
        self._pieces = np.flatnonzero(piece_rows)
        if not len(self._pieces):
            raise VL2Error(f"source {name}", "has no rows", do="Give it data, or leave it out.")
        self._rows = piece_rows
        self._seed = (seed, zlib.crc32(name.encode()))
        self._num_lanes = num_lanes
        wanted = round(WINDOW_ROWS / float(piece_rows[self._pieces].mean()))
        self.window_size = max(1, min(wanted, len(self._pieces) // num_lanes))  # pieces; each lane has its own windows
        self.num_windows = -(-len(self._pieces) // self.window_size)  # of a round
        self._round = lru_cache(_ROUNDS_KEPT)(self._shuffle_pieces)
        self._window = lru_cache(_WINDOWS_KEPT)(self._shuffle_rows)

    def first(self, lane: int) -> Cursor:
        """Return where a lane begins."""
        return Cursor(lane)

    def after(self, cursor: Cursor) -> Cursor:
        """Return the lane's next place."""
        pieces, _ = self._window(cursor.window)
        if cursor.offset + 1 < len(pieces):
            return Cursor(cursor.window, cursor.offset + 1)
        return Cursor(cursor.window + self._num_lanes)

    def locate(self, cursor: Cursor) -> tuple[int, int]:
        """Return the piece of a place and the row within the piece."""
        pieces, rows = self._window(cursor.window)
        return int(pieces[cursor.offset]), int(rows[cursor.offset])

    def _shuffle_pieces(self, number: int) -> np.ndarray:
        return np.random.default_rng([*self._seed, number]).permutation(self._pieces)

    def _shuffle_rows(self, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the piece and the row within it of each place of a window."""
        number, part = divmod(window, self.num_windows)
        chosen = self._round(number)[part * self.window_size : (part + 1) * self.window_size]
        pieces = np.repeat(chosen, self._rows[chosen])
        rows = np.concatenate([np.arange(count) for count in self._rows[chosen].tolist()])
        order = np.random.default_rng([*self._seed, number, part]).permutation(len(rows))
        return pieces[order], rows[order]
