"""Near texts: rows that say nearly the same of the same images. Candidates by MinHash, decided by their shingles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from vl2.core.sample import Sample
from vl2.corpus.buckets import Column, KeyBuckets, records_of
from vl2.corpus.dedup.clusters import Clusters
from vl2.corpus.dedup.minhash import NUM_BANDS, bands, signatures
from vl2.corpus.dedup.shingles import shingles_of
from vl2.corpus.gathering import Arrays, Gathered, Refusal
from vl2.corpus.step import text_of

MOST_LEADERS = 16  # rows of one band key that others are compared with
_MEETING = np.dtype([("key", "<u8"), ("row", "<i8")])
_MIX = np.uint64(0x9E3779B97F4A7C15)
_BANDS = np.arange(NUM_BANDS, dtype=np.uint64) * np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, kw_only=True)
class NearTexts:
    """How near: the share of runs of words that two texts have in common, of all that either has."""

    jaccard: float = 0.8
    words: int = 5  # of a run
    least_words: int = 8  # shorter texts, as many answers are, are often the same by right
    any_images: bool = False  # also texts of different images


def take_texts(batch: Sequence[Sample], settings: NearTexts) -> Arrays:
    """Return the shingles and band keys of rows."""
    texts = [text_of(sample) for sample in batch]
    shingles = shingles_of(texts, settings.words)
    short = shingles.counts < max(1, settings.least_words - settings.words + 1)
    keys = bands(signatures(shingles))  # [rows, bands]
    keys[short] = 0
    about = [0 if settings.any_images else _number(sample.provenance["images"]) for sample in batch]
    taken = {f"band_{number}": keys[:, number] for number in range(NUM_BANDS)}
    return {
        **taken, "about": np.array(about, np.uint64), "counts": shingles.counts.astype(np.int32),
        "values": shingles.values, "is_short": short,
    }  # fmt: skip


def refuse_texts(gathered: Gathered, settings: NearTexts) -> Iterator[Refusal]:
    """Yield all but the first of each cluster of near texts."""
    meeting = KeyBuckets(gathered.scratch / "bands", _MEETING, len(gathered) * NUM_BANDS)
    shingles = _Sets(gathered.scratch)
    for rows, arrays in gathered.blocks():
        shingles.add(arrays["values"], arrays["counts"])
        long = np.flatnonzero(~arrays["is_short"])
        about = arrays["about"][long] * _MIX
        for number in range(NUM_BANDS):  # a band is part of its key
            keys = (arrays[f"band_{number}"][long] ^ about) + _BANDS[number]
            meeting.add_keys(records_of(_MEETING, key=keys, row=rows[long]))
    clusters = Clusters(len(gathered))
    for group in meeting.groups():
        _join_near(group["row"].tolist(), shingles, settings.jaccard, clusters)
    return gathered.refusals(clusters.later(), "near duplicate text")


class _Sets:
    """The shingles of all rows, on disk."""

    def __init__(self, folder: Path) -> None:
        self._values, self._ends = Column(folder / "values", "<u4"), Column(folder / "ends", "<i8")
        self.of = lru_cache(maxsize=256)(self._of)

    def add(self, values: np.ndarray, counts: np.ndarray) -> None:
        """Add the sets of the next rows."""
        self._ends.append(len(self._values) + np.cumsum(counts, dtype=np.int64))
        self._values.append(values)

    def _of(self, row: int) -> np.ndarray:
        start, stop = self._ends.read(row - 1, row + 1) if row else (0, *self._ends.read(0, 1))
        return self._values.read(int(start), int(stop))


def _join_near(rows: Sequence[int], shingles: _Sets, least: float, clusters: Clusters) -> None:
    """Join rows of one key to the first one before them that is near."""
    if len(rows) == 2 and clusters.first(rows[0]) == clusters.first(rows[1]):  # most of what meets has met before
        return
    leaders: list[int] = []
    for row in rows:
        first = clusters.first(row)
        same = (lead for lead in leaders if clusters.first(lead) == first)
        near = (lead for lead in leaders if jaccard(shingles.of(lead), shingles.of(row)) >= least)
        lead = next(same, None)
        lead = next(near, None) if lead is None else lead
        if lead is not None:
            clusters.join(lead, row)
        elif len(leaders) < MOST_LEADERS:
            leaders.append(row)


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Return the similarity of two sorted sets."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - shared
    return shared / union if union else 0.0


def _number(images: Sequence[str]) -> int:
    return int.from_bytes(hashlib.blake2b("".join(images).encode(), digest_size=8).digest())
