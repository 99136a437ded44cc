"""Exact: rows whose content, and so whose id, is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vl2.core.sample import Sample
from vl2.corpus.dedup.clusters import equal_keys
from vl2.corpus.gathering import Arrays, Gathered, Refusal


@dataclass(frozen=True, kw_only=True)
class Exact:
    """No settings: the same words, boxes and encoded images."""


def take_nothing(batch: Sequence[Sample], settings: Exact) -> Arrays:
    """Return nothing: ids are taken anyway."""
    return {}


def refuse_same_ids(gathered: Gathered, settings: Exact) -> Iterator[Refusal]:
    """Yield all but the first row of each id."""
    for places in equal_keys(gathered.array("id")):
        for row in places[1:]:
            yield gathered.refusal(int(row), "exact duplicate", int(places[0]))
