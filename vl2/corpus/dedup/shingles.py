"""Shingles: the runs of words of many texts as hashes, computed for all of them at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from vl2.corpus.characters import Script, code_points, scripts_of

_BASE = 0x9E3779B97F4A7C15  # odd: it has an inverse modulo 2^64
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_FOLD = np.uint64(0x100000001B3)
_SINGLE = (Script.HAN, Script.KANA)  # each character is a word
_MOST_CHARACTERS = 1 << 17  # worked on together: they stay in a core's cache


@dataclass(frozen=True)
class Shingles:
    """The distinct shingles of texts, one text after the other, each sorted."""

    values: np.ndarray  # [shingles] uint32
    counts: np.ndarray  # [texts]

    def starts(self) -> np.ndarray:
        """Return where the shingles of each text begin, and where the last end [texts + 1]."""
        return np.concatenate([[0], np.cumsum(self.counts)])


def shingles_of(texts: Sequence[str], num_words: int = 5) -> Shingles:
    """Return all runs of `num_words` words; a shorter text is one shingle, one without letters none.

    Case, width and punctuation do not count; a Chinese character is a word.
    """
    parts, group, size = [], [], 0
    for text in texts:
        points = code_points(unicodedata.normalize("NFKC", text).lower())
        if group and size + len(points) > _MOST_CHARACTERS:
            parts.append(_shingle(group, num_words))
            group, size = [], 0
        group.append(points)
        size += len(points) + 1
    if group:
        parts.append(_shingle(group, num_words))
    if not parts:
        return Shingles(np.zeros(0, np.uint32), np.zeros(0, np.int64))
    return Shingles(np.concatenate([part.values for part in parts]), np.concatenate([part.counts for part in parts]))


def _shingle(texts: Sequence[np.ndarray], num_words: int) -> Shingles:
    words, word_text = _words(texts)
    if not len(words):
        return Shingles(np.zeros(0, np.uint32), np.zeros(len(texts), np.int64))
    num = np.bincount(word_text, minlength=len(texts))  # words of each text
    place = np.arange(len(words)) - (np.cumsum(num) - num)[word_text]  # of each word in its text
    padded = np.concatenate([words, np.zeros(num_words, np.uint64)])
    runs = np.zeros(len(words), np.uint64)
    for step in range(num_words):
        within = place + step < num[word_text]
        runs = runs * _FOLD + np.where(within, padded[step : step + len(words)], 0)
    runs = _mixed(runs)
    is_start = place <= np.maximum(num[word_text] - num_words, 0)
    keys = (word_text[is_start].astype(np.uint64) << np.uint64(32)) | (runs[is_start] >> np.uint64(32))
    keys = np.sort(keys)
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]  # np.unique takes three times as long
    counts = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(texts))
    return Shingles(keys.astype(np.uint32), counts)  # the lower half is the hash


def _words(texts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the hash of each word [words] and the number of its text [words]."""
    lengths = np.array([len(points) + 1 for points in texts])
    gap = np.zeros(1, np.uint32)
    points = np.concatenate([piece for text in texts for piece in (text, gap)])  # [characters]
    scripts = scripts_of(points)
    is_single = (scripts == _SINGLE[0]) | (scripts == _SINGLE[1])
    is_letter = (scripts != Script.NONE) & ~is_single
    before = np.concatenate([[False], is_letter[:-1]])
    starts = np.flatnonzero((is_letter & ~before) | is_single)
    after = np.concatenate([is_letter[1:], [False]])
    ends = np.flatnonzero((is_letter & ~after) | is_single) + 1
    powers, inverses = _powers(1 << int(len(points)).bit_length())
    weighted = _mixed(points.astype(np.uint64) + np.uint64(1)) * powers[: len(points)]
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(weighted, dtype=np.uint64)])
    hashes = _mixed((sums[ends] - sums[starts]) * inverses[starts])
    return hashes, np.searchsorted(np.cumsum(lengths), starts, "right")


def _mixed(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(30))) * _MIX
    return values ^ (values >> np.uint64(31))


@cache
def _powers(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the powers of the base and those of its inverse, modulo 2^64 [length]."""
    found = []
    for base in (_BASE, _INVERSE):
        powers = np.full(length, base, np.uint64)
        powers[0] = 1
        found.append(np.cumprod(powers, dtype=np.uint64))
    return found[0], found[1]
