"""Spread: how the values of a field lie, in a memory that does not grow with the rows.

How many there are, the smallest and the largest are exact. The rest is told from MOST_VALUES of them, those whose rows
have the smallest hashes: all values of a small run, a fair sample of a large one, the same in any order of rows.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

MOST_VALUES = 8192  # a bar that holds a tenth of them is right to within 7 % of its height


@dataclass
class Spread:
    """The values that one field has in rows of one kind."""

    num_values: int = 0
    least: float = float("inf")
    most: float = float("-inf")
    _keys: array = field(default_factory=lambda: array("Q"))
    _values: array = field(default_factory=lambda: array("f"))

    def offer(self, key: int, value: float) -> None:
        """Count a value; `key` is the hash of its row."""
        self.num_values += 1
        self.least, self.most = min(self.least, value), max(self.most, value)
        self._keys.append(key)
        self._values.append(value)
        if len(self._keys) >= 2 * MOST_VALUES:
            self._shrink()

    def values(self) -> np.ndarray:
        """Return the values that are kept [at most MOST_VALUES]."""
        if len(self._keys) > MOST_VALUES:
            self._shrink()
        return np.array(self._values)

    def _shrink(self) -> None:
        keys = np.array(self._keys)
        first = np.sort(np.argpartition(keys, MOST_VALUES - 1)[:MOST_VALUES])
        self._keys = array("Q", keys[first].tobytes())
        self._values = array("f", np.array(self._values)[first].tobytes())
