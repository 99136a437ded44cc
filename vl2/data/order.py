"""Order: endless shuffled rounds over samples; any place can be asked for, so that a resume needs only a number."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


class Rounds:
    """Every round holds each of `num_items` once, in an order of its own."""

    def __init__(self, num_items: int, seed: int) -> None:
        self.num_items = num_items
        self._round = lru_cache(maxsize=2)(lambda number: np.random.default_rng((seed, number)).permutation(num_items))

    def __getitem__(self, place: int) -> int:
        number, offset = divmod(place, self.num_items)
        return int(self._round(number)[offset])
