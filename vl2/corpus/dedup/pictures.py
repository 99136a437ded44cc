"""Near pictures: rows that show nearly the same. Candidates by perceptual hash, decided by small pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vl2.core.errors import ImageError
from vl2.core.sample import Sample
from vl2.corpus.dedup.clusters import Clusters, equal_keys
from vl2.corpus.dedup.perceptual import THUMBNAIL, PictureHash, hash_picture
from vl2.corpus.filters.tokens import tokens_of
from vl2.corpus.gathering import Arrays, Gathered, Refusal
from vl2.corpus.step import text_of

NUM_PIECES = 5  # of 64 bits: of two hashes that differ in at most four, one piece is the same
MOST_BITS = NUM_PIECES - 1
_EDGES = (0, 13, 26, 39, 52, 64)
MOST_TRIED = 16  # rows with a near hash that are looked at closely


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
    counts, texts = gathered.array("num_pictures"), gathered.array("text")
    firsts = np.cumsum(counts) - counts  # the first picture of each row
    bits, aspects = gathered.array("bits"), gathered.array("aspect")
    small = gathered.array("thumbnail")
    rows = np.flatnonzero(counts)
    clusters = Clusters(len(gathered))

    def are_alike(a: int, b: int) -> bool:
        if abs(aspects[a] / aspects[b] - 1) > settings.aspect:
            return False
        return picture_difference(small[a], small[b]) <= settings.difference

    def are_near(one: int, other: int) -> bool:
        if counts[one] != counts[other] or texts[one] != texts[other]:
            return False
        for a, b in zip(*(range(firsts[row], firsts[row] + counts[row]) for row in (one, other)), strict=True):
            if int(bits[a] ^ bits[b]).bit_count() > settings.bits or not are_alike(a, b):
                return False
        return True

    for low, high in zip(_EDGES, _EDGES[1:], strict=False):
        pieces = (bits[firsts[rows]] >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        for places in equal_keys(pieces):
            _join_near(rows[places], bits[firsts[rows[places]]], settings.bits, clusters, are_near)
    for row, first in clusters.later():
        yield gathered.refusal(row, "near duplicate picture", first)


def _join_near(
    rows: np.ndarray, bits: np.ndarray, most: int, clusters: Clusters, are_near: Callable[[int, int], bool]
) -> None:
    """Join rows to the first one before them that is near. Rows that are near none are what later ones are held to."""
    leaders: list[int] = []
    leader_bits = np.empty_like(bits)
    for row, own in zip(map(int, rows), bits, strict=True):
        near = np.flatnonzero(np.bitwise_count(leader_bits[: len(leaders)] ^ own) <= most)
        for lead in (leaders[place] for place in near[:MOST_TRIED]):
            if clusters.first(lead) == clusters.first(row) or are_near(lead, row):
                clusters.join(lead, row)
                break
        else:
            leader_bits[len(leaders)] = own
            leaders.append(row)


def picture_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the average difference of small pictures."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def _hashes(sample: Sample) -> list[PictureHash]:
    try:
        return [hash_picture(image) for image in sample.images]
    except ImageError:
        return []
