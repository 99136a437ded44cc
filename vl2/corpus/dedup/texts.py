"""Near texts: rows that say nearly the same of the same images. Candidates by MinHash, decided by their shingles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vl2.core.sample import Sample
from vl2.corpus.dedup.clusters import Clusters, equal_keys
from vl2.corpus.dedup.minhash import NUM_BANDS, bands, signatures
from vl2.corpus.dedup.shingles import shingles_of
from vl2.corpus.gathering import Arrays, Gathered, Refusal
from vl2.corpus.step import text_of

MOST_LEADERS = 16  # rows of one band key that others are compared with


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
    clusters = Clusters(len(gathered))
    about, values = gathered.array("about"), gathered.array("values")
    ends = np.cumsum(gathered.array("counts"))
    starts = ends - gathered.array("counts")
    long = np.flatnonzero(~gathered.array("is_short"))

    def are_near(one: int, other: int) -> bool:
        return jaccard(values[starts[one] : ends[one]], values[starts[other] : ends[other]]) >= settings.jaccard

    for number in range(NUM_BANDS):
        keys = gathered.array(f"band_{number}")[long] ^ (about[long] * np.uint64(0x9E3779B97F4A7C15))
        for places in equal_keys(keys):
            leaders: list[int] = []
            for row in map(int, long[places]):
                same = [lead for lead in leaders if clusters.first(lead) == clusters.first(row)]
                lead = same[0] if same else next((lead for lead in leaders if are_near(lead, row)), None)
                if lead is not None:
                    clusters.join(lead, row)
                elif len(leaders) < MOST_LEADERS:
                    leaders.append(row)
    for row, first in clusters.later():
        yield gathered.refusal(row, "near duplicate text", first)


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Return the similarity of two sorted sets."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - shared
    return shared / union if union else 0.0


def _number(images: Sequence[str]) -> int:
    return int.from_bytes(hashlib.blake2b("".join(images).encode(), digest_size=8).digest())
