"""Exact: rows whose content, and so whose id, is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vl2.core.sample import Sample
from vl2.corpus.buckets import KeyBuckets, records_of
from vl2.corpus.gathering import Arrays, Gathered, Refusal

_SEEN = np.dtype([("key", "<u8"), ("row", "<i8"), ("rest", "<u8")])  # key and rest are the id


@dataclass(frozen=True, kw_only=True)
class Exact:
    """No settings: the same words, boxes and encoded images."""


def take_nothing(batch: Sequence[Sample], settings: Exact) -> Arrays:
    """Return nothing: ids are taken anyway."""
    return {}


def refuse_same_ids(gathered: Gathered, settings: Exact) -> Iterator[Refusal]:
    """Yield all but the first row of each id."""
    same = KeyBuckets(gathered.scratch / "exact", _SEEN, len(gathered))
    for rows, arrays in gathered.blocks():
        halves = np.array([bytes.fromhex(name.decode()) for name in arrays["id"].tolist()], "V16").view("<u8")
        same.add_keys(records_of(_SEEN, key=halves[::2], row=rows, rest=halves[1::2]))
    return gathered.refusals(map(_all_but_first, same.groups()), "exact duplicate")


def _all_but_first(group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return later rows and the first row of what they say, of rows whose ids have the same first half."""
    _, firsts, ids = np.unique(group["rest"], return_index=True, return_inverse=True)
    firsts = group["row"][firsts][ids]
    return group["row"][firsts != group["row"]], firsts[firsts != group["row"]]
