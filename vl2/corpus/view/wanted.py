"""Wanted: which rows a page shows, as its address tells it, and where they are."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlencode

import numpy as np

from vl2.core.errors import ConfigError
from vl2.core.sample import Sample
from vl2.corpus.facts import KEPT
from vl2.corpus.step import text_of
from vl2.corpus.view.index import Index, Names

REJECTED = "rejected"
MOST_LETTERS = 200  # of a search
MOST_SECONDS = 3.0  # that one page looks for its rows


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a row has to be; empty strings ask for nothing."""

    fate: str = ""  # kept, rejected, a step, or a step and its reason
    source: str = ""
    language: str = ""
    text: str = ""  # somewhere in the conversation or its labels, in any case
    field: str = ""  # of quality, between the two
    least: str = ""
    most: str = ""

    def query(self, **more: int) -> str:
        """Return the address of the same rows."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name)}
        return urlencode({**own, **more})

    @property
    def is_anything(self) -> bool:
        """Tell whether every row is wanted."""
        return self == Wanted()

    def candidates(self, index: Index, place: int) -> np.ndarray:
        """Return the rows of a block, by their number in it, that the index does not rule out."""
        part = index.part(place)
        fits = np.ones(len(part), bool)
        if self.fate:
            names = [number for name, number in list(index.fates.numbers.items()) if self._is_fate(name)]
            fits &= np.isin(part["fate"], names)
        for name, names in (("source", index.sources), ("language", index.languages)):
            if wanted := getattr(self, name):
                fits &= part[name] == _number(names, wanted)
        return np.flatnonzero(fits)

    def fits(self, sample: Sample) -> bool:
        """Tell whether the words and the quality of a row are as wanted."""
        if self.field:
            value = sample.quality.get(self.field)
            if value is None or not _bound(self.least, -math.inf) <= value <= _bound(self.most, math.inf):
                return False
        return not self.text or self.text.casefold() in text_of(sample, ("system", "user", "assistant")).casefold()

    def _is_fate(self, name: str) -> bool:
        if self.fate == REJECTED:
            return name != KEPT
        return name == self.fate or name.startswith(f"{self.fate}: ")


@dataclass(frozen=True, kw_only=True)
class Found:
    """Rows by number, in order; the row where the search ended, and whether that was for want of time."""

    rows: tuple[int, ...]
    reached: int
    is_cut_short: bool


def parse_wanted(query: Mapping[str, str]) -> Wanted:
    """Read an address. Raises ConfigError on a bound that is no number."""
    told = {one.name: query.get(one.name, "").strip()[:MOST_LETTERS] for one in fields(Wanted)}
    for name in ("least", "most"):
        _bound(told[name], 0.0)
    return Wanted(**told)


def find_rows(index: Index, wanted: Wanted, start: int, most: int, *, backwards: bool = False) -> Found:
    """Look for at most so many rows from `start` on, or, backwards, before it."""
    until = time.monotonic() + MOST_SECONDS
    needs_row = bool(wanted.text or wanted.field)
    found: list[int] = []
    for row, reached in _candidates(index, wanted, start, backwards=backwards):
        if row is not None and (not needs_row or wanted.fits(index.read(row, with_images=False))):
            found.append(row)
        is_late = time.monotonic() > until
        if len(found) == most or is_late:
            return Found(rows=tuple(sorted(found)), reached=reached, is_cut_short=is_late and len(found) < most)
    return Found(rows=tuple(sorted(found)), reached=0 if backwards else len(index), is_cut_short=False)


def _candidates(index: Index, wanted: Wanted, start: int, *, backwards: bool) -> Iterator[tuple[int | None, int]]:
    """Yield rows that may be wanted with where the search stands after them; None after each block."""
    places = range(len(index.numbers))
    for place in reversed(places) if backwards else places:
        first, end = index.first_of(place), int(index.ends[place])
        if (first >= start) if backwards else (end <= start):
            continue
        rows = first + wanted.candidates(index, place)
        rows = rows[rows < start][::-1] if backwards else rows[rows >= start]
        for row in map(int, rows):
            yield row, row if backwards else row + 1
        yield None, first if backwards else end


def _number(names: Names, name: str) -> int:
    return names.numbers.get(name, -1)


def _bound(told: str, default: float) -> float:
    try:
        value = float(told) if told else default
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ConfigError("range", "not a number", got=repr(told), do="Give numbers such as 0.5, or leave them out.")
    return value
