"""Benchmark: whether a row holds a text or a picture that the model is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.dedup.perceptual import hash_picture
from vl2.corpus.dedup.pictures import MOST_BITS, picture_difference
from vl2.corpus.dedup.shingles import shingles_of
from vl2.corpus.step import text_of
from vl2.data.records import open_records


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """Records of benchmarks, as sources are named, and how a row is found in them."""

    against: tuple[str, ...]
    images: str | None = None
    words: int = 8  # in a row; shorter questions are those of everybody
    bits: int = MOST_BITS
    difference: float = 8.0

    @cached_property
    def known(self) -> Known:
        """Return what the benchmarks hold; read once in a process."""
        return Known.of([sample for path in self.against for sample in open_records(path, self.images).usable()], self)


@dataclass(frozen=True)
class Known:
    """The runs of words and the pictures of benchmarks."""

    settings: Benchmarks
    runs: np.ndarray  # [runs], sorted
    bits: np.ndarray  # [pictures]
    thumbnails: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, samples: Sequence[Sample], settings: Benchmarks) -> Known:
        """Take them from benchmark rows; an image that cannot be decoded is in no other row either."""
        texts = [text for text in map(text_of, samples) if shingles_of([text], 1).counts[0] >= settings.words]
        hashes = []
        for image in (image for sample in samples for image in sample.images):
            try:
                hashes.append(hash_picture(image))
            except ImageError:
                continue
        runs = np.unique(shingles_of(texts, settings.words).values)
        return cls(settings, runs, np.array([h.bits for h in hashes], np.uint64), tuple(h.thumbnail for h in hashes))

    def measure(self, sample: Sample) -> dict[str, float]:
        """Return the share of a row's runs of words that are known, and whether one of its pictures is, 0 or 1."""
        runs = shingles_of([text_of(sample)], self.settings.words).values
        text = float(np.isin(runs, self.runs, assume_unique=True).mean()) if len(runs) else 0.0
        return {"text": text, "picture": float(any(map(self._is_known, sample.images)))}

    def _is_known(self, image: ImageSource) -> bool:
        found = hash_picture(image)
        near = np.flatnonzero(np.bitwise_count(self.bits ^ np.uint64(found.bits)) <= self.settings.bits)
        return any(
            picture_difference(found.thumbnail, self.thumbnails[place]) <= self.settings.difference for place in near
        )
