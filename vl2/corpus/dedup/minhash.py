"""MinHash: signatures of sets of shingles, and the bands in which near ones meet."""

from __future__ import annotations

import numpy as np

from vl2.corpus.dedup.shingles import Shingles

NUM_BANDS, BAND_ROWS = 14, 8  # two sets of Jaccard similarity j meet with 1 - (1 - j^8)^14: .9 certainly, .85 in .988
_GROUP = 1 << 15  # shingles worked on together: they stay in a core's cache
_FOLD = np.uint64(0x100000001B3)
_MIX = np.uint64(0x94D049BB133111EB)


def signatures(shingles: Shingles, num_hashes: int = NUM_BANDS * BAND_ROWS) -> np.ndarray:
    """Return the smallest value of each hash function over each set [texts, num_hashes]; of no set the largest."""
    factors, offsets = _functions(num_hashes)
    found = np.full((num_hashes, len(shingles.counts)), np.iinfo(np.uint32).max, np.uint32)
    filled = np.flatnonzero(shingles.counts)
    ends = shingles.starts()[1:][filled]
    first = 0
    while first < len(filled):
        begin = int(ends[first] - shingles.counts[filled[first]])
        stop = max(first + 1, int(np.searchsorted(ends, begin + _GROUP, "right")))
        values = shingles.values[begin : ends[stop - 1]]
        starts = ends[first:stop] - shingles.counts[filled[first:stop]] - begin
        buffer = np.empty_like(values)
        for number in range(num_hashes):
            np.multiply(values, factors[number], out=buffer)
            np.add(buffer, offsets[number], out=buffer)
            found[number, filled[first:stop]] = np.minimum.reduceat(buffer, starts)
        first = stop
    return found.T


def bands(signature: np.ndarray, num_bands: int = NUM_BANDS) -> np.ndarray:
    """Return one key for each band of each signature [texts, num_bands]."""
    rows = signature.reshape(len(signature), num_bands, signature.shape[1] // num_bands).astype(
        np.uint64
    )  # [texts, bands, rows]
    keys = np.zeros(rows.shape[:2], np.uint64)
    for row in range(rows.shape[2]):
        keys = (keys ^ rows[..., row]) * _FOLD
        keys ^= keys >> np.uint64(29)
    return keys * _MIX


def _functions(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return odd factors and offsets: x -> a x + b modulo 2^32 permutes all values."""
    rng = np.random.Generator(np.random.PCG64(20241213))
    factors = rng.integers(0, 1 << 32, number, np.uint32) | np.uint32(1)
    return factors, rng.integers(0, 1 << 32, number, np.uint32)
