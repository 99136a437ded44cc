"""Clusters: pairs that are the same, joined; the first row of each cluster is the one that stays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class Clusters:
    """Sets of rows, joined pair by pair; the first row of a set stands for it."""

    def __init__(self, num_rows: int) -> None:
        self._parents = np.arange(num_rows)

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

    def later(self) -> Iterator[tuple[int, int]]:
        """Yield each row that is not the first of its set, with the first."""
        for row in range(len(self._parents)):
            if (first := self.first(row)) != row:
                yield row, first


def equal_keys(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the places, in order, of each key that occurs more than once."""
    order = np.argsort(keys, kind="stable")
    changes = np.flatnonzero(keys[order[1:]] != keys[order[:-1]]) + 1
    edges = np.concatenate([[0], changes, [len(keys)]])
    for start in np.flatnonzero(np.diff(edges) > 1):
        yield order[edges[start] : edges[start + 1]]
