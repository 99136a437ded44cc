"""Joined: rows that are put together from several arrays of JSON objects, each found by its key when it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vl2.corpus.sources.elements import Elements, entries
from vl2.data.faults import Fault
from vl2.data.records.files import open_file
from vl2.data.records.row import Row

Part = tuple[str, Elements]  # the file to read from, and what lies in it
MOST_JOINED = 4096  # objects of one row
_DAMAGED = Fault("not JSON")


class JoinedRows:
    """One row for each object of `rows`, with the objects of `joined` that have its key, in a list of that name.

    `told_orphans`: objects that belong to no row are faults.
    """

    def __init__(
        self, path: str, rows: Part, joined: Mapping[str, Part],
        finish: Callable[[dict[str, Any]], Mapping[str, Any]] = dict, told_orphans: bool = True,
    ) -> None:  # fmt: skip
        self.path, self._rows, self._joined, self._finish = path, rows, joined, finish
        orphans = {name: _count_orphans(rows[1], part[1]) for name, part in joined.items() if told_orphans}
        self._orphans = [Fault(f"{name} of a row that is not listed") for name, n in orphans.items() for _ in range(n)]
        self.piece_rows = np.array([1] * len(rows[1]) + [len(self._orphans)] * bool(self._orphans), int)  # [pieces]

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the row of a piece; the last piece is what belongs to no row."""
        copy, elements = self._rows
        if piece == len(elements):
            return list(self._orphans)
        try:
            with open_file(copy) as file:
                record = elements.read(file, piece)
            if not isinstance(record, dict):
                return [Fault("not an object")]
            for name, part in self._joined.items():
                record[name] = self._find(part, int(elements.keys[piece]))
        except (ValueError, RecursionError):
            return [_DAMAGED]
        return [Row(self._finish(record))]

    def _find(self, part: Part, key: int) -> list[Any]:
        copy, elements = part
        numbers = elements.find(key)[:MOST_JOINED]
        if not numbers:
            return []
        with open_file(copy) as file:
            return [elements.read(file, number) for number in numbers]


class EntryRows:
    """One row for each value of a JSON object, its key in the field `key`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._copy, self._names, self._elements = entries(path)
        self.piece_rows = np.ones(len(self._names), int)  # [pieces]

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the row of one piece."""
        try:
            with open_file(self._copy) as file:
                record = self._elements.read(file, piece)
        except (ValueError, RecursionError):
            return [_DAMAGED]
        return [Row({**record, "key": self._names[piece]}) if isinstance(record, dict) else Fault("not an object")]


def _count_orphans(rows: Elements, joined: Elements) -> int:
    return int((~np.isin(joined.keys, rows.keys)).sum())


def read_all(part: Part) -> list[Any]:
    """Return the objects of a small array. Raises ValueError or RecursionError on what is no JSON."""
    copy, elements = part
    with open_file(copy) as file:
        return [elements.read(file, number) for number in range(len(elements))]
