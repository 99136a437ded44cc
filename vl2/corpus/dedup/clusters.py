"""Clusters: pairs that are the same, joined; the first row of each cluster is the one that stays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_ROWS = 1 << 16  # looked at together


class Clusters:
    """Sets of rows, joined pair by pair; the first row of a set stands for it. Four bytes a row are in memory."""

    def __init__(self, num_rows: int) -> None:
        self._parents = np.arange(num_rows, dtype=np.int32 if num_rows < 1 << 31 else np.int64)

    def first(self, row: int) -> int:
        """Return the first row of the set that a row is in."""
        parents = self._parents
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = int(parents[row])
        return row

    def join(self, one: int, other: int) -> None:
        """Make two sets one."""
        one, other = self.first(one), self.first(other)
        self._parents[max(one, other)] = min(one, other)

    def later(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows that are not the first of their set, some at a time, and the firsts [N] each."""
        for start in range(0, len(self._parents), _ROWS):
            part = self._parents[start : start + _ROWS]
            rows = start + np.flatnonzero(part != np.arange(start, start + len(part)))
            yield rows, np.array([self.first(row) for row in rows.tolist()], np.int64)
