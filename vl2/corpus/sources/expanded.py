"""Expanded: rows of which each holds several, as a notebook holds figures; all are looked at once to count them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vl2.data.faults import Fault
from vl2.data.records.row import RecordFile, Row

Expand = Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
MOST_EXPANDED = 1024  # rows of one row


class ExpandedRows:
    """The rows within the rows of a file. What cannot be looked into is one fault."""

    def __init__(self, file: RecordFile, expand: Expand) -> None:
        self.path, self._file, self._expand = file.path, file, expand
        self.piece_rows = np.array([len(self.read(piece)) for piece in range(len(file.piece_rows))], int)  # [pieces]

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the rows of one piece."""
        found: list[Row | Fault] = []
        for row in self._file.read(piece):
            if isinstance(row, Fault):
                found.append(row)
                continue
            try:
                found += [Row(record) for record in self._expand(row.record)[:MOST_EXPANDED]]
            except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
                found.append(Fault("a row that cannot be looked into"))
        return found
