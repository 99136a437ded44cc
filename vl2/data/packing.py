"""Packing: which documents share a row, under two limits: its tokens, and its tiles, which cost the vision tower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vl2.core.batch import IGNORE_INDEX, Batch, ModelInput
from vl2.core.errors import ConfigError

_OUT_OF_REACH = 1 << 30  # tiles of a number of tokens that no choice of documents has


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a document costs."""

    tokens: int
    tiles: int = 0

    @classmethod
    def of(cls, document: ModelInput) -> Size:
        """Return the size of a document; its tiles need not be cut yet."""
        return cls(tokens=len(document.input_ids), tiles=sum(grid.num_tiles for grid in document.grids))


@dataclass(frozen=True, kw_only=True)
class PackLimits:
    """What a row may hold. Raises ConfigError on an impossible value."""

    tokens: int = 4096  # paper, Table 2
    tiles: int = 18  # bounds the memory of the vision tower; the paper names no limit

    def __post_init__(self) -> None:
        if self.tokens < 1 or self.tiles < 0:
            raise ConfigError("pack limits", "must be positive", got=f"{self.tokens} tokens, {self.tiles} tiles")

    def hold(self, size: Size) -> bool:
        """Tell whether a document fits into an empty row."""
        return size.tokens <= self.tokens and size.tiles <= self.tiles


def choose(sizes: Sequence[Size], limits: PackLimits) -> list[int]:
    """Return which of the waiting documents make the fullest row, in their order; the first always goes.

    So nobody waits for ever. The others are chosen exactly, not greedily: most tokens, and of these the fewest tiles.
    Every size must be within the limits.
    """
    first, *others = sizes
    left = Size(tokens=limits.tokens - first.tokens, tiles=limits.tiles - first.tiles)
    return [0, *(number + 1 for number in _fullest(others, left))]


def _fullest(sizes: Sequence[Size], left: Size) -> list[int]:
    """Solve the knapsack: `fewest[t]` are the fewest tiles of any choice that has exactly t tokens."""
    fewest = np.full(left.tokens + 1, _OUT_OF_REACH)
    fewest[0] = 0
    taken = np.zeros((len(sizes), left.tokens + 1), dtype=bool)  # which t each document improved
    for number, size in enumerate(sizes):
        if size.tokens > left.tokens:
            continue
        with_it = fewest[: len(fewest) - size.tokens] + size.tiles
        better = with_it < fewest[size.tokens :]
        taken[number, size.tokens :] = better
        fewest[size.tokens :][better] = with_it[better]
    tokens = int(np.flatnonzero(fewest <= left.tiles)[-1])
    chosen = []
    for number in reversed(range(len(sizes))):
        if taken[number, tokens]:
            chosen.append(number)
            tokens -= sizes[number].tokens
    return chosen[::-1]


def pack(rows: Sequence[Sequence[ModelInput]], pad_id: int, length_step: int) -> Batch:
    """Return the rows as one batch; attention and positions know where documents begin.

    Its length is that of the longest row, rounded up to a multiple of `length_step`. No loss is taken on the first
    token of a document: the last token of its neighbour would predict it.
    """
    documents = [[_without_first_label(document) for document in row] for row in rows]
    return Batch.from_inputs(documents, pad_id, length_step)


def _without_first_label(document: ModelInput) -> ModelInput:
    labels = document.labels.clone()
    labels[:1] = IGNORE_INDEX
    return replace(document, labels=labels)
