"""Near pictures: rows that show nearly the same. Candidates by perceptual hash, decided by small pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from vl2.core.errors import ImageError
from vl2.core.sample import Sample
from vl2.corpus.buckets import Column, KeyBuckets, records_of
from vl2.corpus.dedup.clusters import Clusters
from vl2.corpus.dedup.perceptual import THUMBNAIL, PictureHash, hash_picture
from vl2.corpus.filters.tokens import tokens_of
from vl2.corpus.gathering import Arrays, Gathered, Refusal
from vl2.corpus.step import text_of

NUM_PIECES = 5  # of 64 bits: of two hashes that differ in at most four, one piece is the same
MOST_BITS = NUM_PIECES - 1
_EDGES = (0, 13, 26, 39, 52, 64)
_MEETING = np.dtype([("key", "<u8"), ("row", "<i8"), ("bits", "<u8")])
_SEEN = np.dtype([("bits", "<u8"), ("aspect", "<f8"), ("thumbnail", "u1", (THUMBNAIL * THUMBNAIL * 3,))])
_MIX, _FOLD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
MOST_TRIED = 16  # rows with a near hash that are looked at closely
_TOGETHER, _DISTANCES = 256, 1 << 20  # rows whose distances are computed at a time, and distances


@dataclass(frozen=True, kw_only=True)
class NearPictures:
    """How near, and whether rows that say something else of the same picture stay."""

    bits: int = MOST_BITS  # in which hashes may differ
    difference: float = 8.0  # of small pictures, on average, in grey values of 255
    aspect: float = 0.04  # in which width over height may differ, as a share
    any_text: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.bits <= MOST_BITS:
            raise ValueError(f"bits is beyond 0..{MOST_BITS}")


def take_pictures(batch: Sequence[Sample], settings: NearPictures) -> Arrays:
    """Return the hashes of the images of rows; a row with one that cannot be decoded has none."""
    counts, texts, found = [], [], []
    for sample in batch:
        hashes = _hashes(sample)
        found += hashes
        counts.append(len(hashes))
        text = "" if settings.any_text else " ".join(tokens_of(text_of(sample)))
        texts.append(int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()))
    small = [picture.thumbnail for picture in found]
    return {
        "num_pictures": np.array(counts, np.int64),
        "text": np.array(texts, np.uint64),
        "bits": np.array([picture.bits for picture in found], np.uint64),
        "aspect": np.array([picture.aspect for picture in found], np.float64),
        "thumbnail": np.array(small, np.uint8).reshape(-1, THUMBNAIL * THUMBNAIL * 3),
    }


def refuse_pictures(gathered: Gathered, settings: NearPictures) -> Iterator[Refusal]:
    """Yield all but the first row of those with near pictures, one by one in order."""
    meeting = KeyBuckets(gathered.scratch / "pieces", _MEETING, len(gathered) * NUM_PIECES)
    pictures = _Pictures(gathered.scratch)
    for rows, arrays in gathered.blocks():
        counts = arrays["num_pictures"]
        shown = np.flatnonzero(counts)
        bits = arrays["bits"][(np.cumsum(counts) - counts)[shown]]  # of the first picture of each row
        pictures.add(counts, arrays)
        # rows that say something else, or show more, never meet
        about = (arrays["text"][shown] ^ counts[shown].astype(np.uint64)) * _MIX
        for number, (low, high) in enumerate(zip(_EDGES, _EDGES[1:], strict=False)):
            piece = (bits >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
            keys = (about ^ (piece * np.uint64(NUM_PIECES) + np.uint64(number))) * _FOLD
            meeting.add_keys(records_of(_MEETING, key=keys, row=rows[shown], bits=bits))
    clusters = Clusters(len(gathered))
    for group in meeting.groups():
        _join_near(group["row"], group["bits"], settings.bits, clusters, pictures.are_near(settings))
    return gathered.refusals(clusters.later(), "near duplicate picture")


class _Pictures:
    """What is known of the pictures of all rows, on disk."""

    def __init__(self, folder: Path) -> None:
        self._seen, self._ends = Column(folder / "seen", _SEEN), Column(folder / "ends", "<i8")
        self.of = lru_cache(maxsize=256)(self._of)

    def add(self, counts: np.ndarray, arrays: Arrays) -> None:
        """Add the pictures of the next rows."""
        self._ends.append(len(self._seen) + np.cumsum(counts))
        self._seen.append(records_of(_SEEN, **{name: arrays[name] for name in _SEEN.names or ()}))

    def _of(self, row: int) -> np.ndarray:
        start, stop = self._ends.read(row - 1, row + 1) if row else (0, *self._ends.read(0, 1))
        return self._seen.read(int(start), int(stop))

    def are_near(self, settings: NearPictures) -> Callable[[int, int], bool]:
        """Return what tells whether the pictures of two rows are near, each to its own."""

        def are_near(one: int, other: int) -> bool:
            pairs = zip(self.of(one), self.of(other), strict=True)
            return all(_are_alike(a, b, settings) for a, b in pairs)

        return are_near


def _are_alike(one: np.void, other: np.void, settings: NearPictures) -> bool:
    if int(one["bits"] ^ other["bits"]).bit_count() > settings.bits:
        return False
    if abs(one["aspect"] / other["aspect"] - 1) > settings.aspect:
        return False
    return picture_difference(one["thumbnail"], other["thumbnail"]) <= settings.difference


def _join_near(
    rows: np.ndarray, bits: np.ndarray, most: int, clusters: Clusters, are_near: Callable[[int, int], bool]
) -> None:
    """Join rows to the first one before them that is near. Rows that are near none are what later ones are held to."""
    leaders: list[int] = []
    leader_bits = np.empty_like(bits)
    at = 0
    while at < len(rows):
        stop = at + max(1, min(_TOGETHER, _DISTANCES // (len(leaders) + 1)))
        own, known = bits[at:stop], leader_bits[: len(leaders)]
        # most hashes are near no other one: those rows are not looked at one by one
        has_near = np.any(np.bitwise_count(own[:, None] ^ known) <= most, axis=1)
        has_near |= np.any(np.tril(np.bitwise_count(own[:, None] ^ own) <= most, -1), axis=1)
        for row, bit, may_join in zip(rows[at:stop].tolist(), own, has_near.tolist(), strict=True):
            if not (may_join and _join_one(row, bit, leaders, leader_bits, most, clusters, are_near)):
                leader_bits[len(leaders)] = bit
                leaders.append(row)
        at = stop


def _join_one(
    row: int, bits: np.uint64, leaders: list[int], leader_bits: np.ndarray, most: int, clusters: Clusters,
    are_near: Callable[[int, int], bool],
) -> bool:  # fmt: skip
    """Join a row to the first leader that is near; tell whether there was one."""
    near = np.flatnonzero(np.bitwise_count(leader_bits[: len(leaders)] ^ bits) <= most)
    for lead in (leaders[place] for place in near[:MOST_TRIED]):
        if clusters.first(lead) == clusters.first(row) or are_near(lead, row):
            clusters.join(lead, row)
            return True
    return False


def picture_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the average difference of small pictures."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def _hashes(sample: Sample) -> list[PictureHash]:
    try:
        return [hash_picture(image) for image in sample.images]
    except ImageError:
        return []
