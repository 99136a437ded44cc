"""Whole texts: files that are read as one text and cut into rows, of which only the counts are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vl2.core.errors import VL2Error
from vl2.data.faults import Fault
from vl2.data.records.row import Row

Cut = Callable[[str], Sequence[Mapping[str, Any]]]
MAX_TEXT_BYTES = 32 << 20
PIECE_ROWS = 256


class WholeText:
    """The rows of one text. `cut` is a function of a module, as it travels to other processes."""

    def __init__(self, path: str, cut: Cut) -> None:
        """Count the rows. Raises VL2Error on a file that cannot be read."""
        self.path, self._cut = path, cut
        num_rows = len(_rows_of(path, cut))
        full, rest = divmod(num_rows, PIECE_ROWS)
        self.piece_rows = np.array([PIECE_ROWS] * full + [rest] * (rest > 0), int)  # [pieces]

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the rows of one piece."""
        first = piece * PIECE_ROWS
        return [Row(record) for record in _rows_of(self.path, self._cut)[first : first + PIECE_ROWS]]


def read_whole(path: Path) -> str:
    """Return the text of a file. Raises VL2Error on one that is missing, too large or no file."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_TEXT_BYTES:
            raise VL2Error(str(path), "not a file, or too large", expected=f"at most {MAX_TEXT_BYTES} bytes")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise VL2Error(str(path), f"cannot be read: {error.strerror}") from None


@lru_cache(maxsize=2)  # blocks follow the order of the file
def _rows_of(path: str, cut: Cut) -> Sequence[Mapping[str, Any]]:
    return cut(read_whole(Path(path)))
