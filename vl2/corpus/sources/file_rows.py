"""File rows: folders in which every file is a row, and files in which every line is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vl2.core.errors import VL2Error
from vl2.corpus.source import Source
from vl2.corpus.sources.pictures import Archive
from vl2.data.faults import Fault
from vl2.data.records.files import open_file, unpacked
from vl2.data.records.row import Places, Row

MAX_LINE_BYTES = 1 << 20
MOST_FILES = 1 << 23


class NamedRows:
    """A row for each of some names, `file` in its record; `look` adds more when the row is read."""

    def __init__(
        self, path: str, names: Sequence[str], look: Callable[[str], Mapping[str, Any]] = lambda name: {}
    ) -> None:
        if not names:
            raise VL2Error(path, "no files of this format here", do="Check the path.")
        self.path, self.names, self._look = path, names, look
        self.piece_rows = np.ones(len(names), int)  # [pieces]

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the row of one name."""
        name = self.names[piece]
        try:
            return [Row({"file": name, **self._look(name)})]
        except VL2Error as error:
            return [Fault(str(error).removeprefix("row: ").partition(" (")[0].rstrip("."))]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return [Fault("a file cannot be read")]


class Lines:
    """The lines of a text file by number."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._copy = unpacked(path)
        places = Places()
        with open_file(self._copy) as file:
            offset = 0
            for line in iter(lambda: file.readline(MAX_LINE_BYTES), b""):
                places.add(offset)
                offset += len(line)
        self._places = places
        self.num_lines = places.num_rows

    def line(self, number: int) -> str:
        """Return one line without its end. Raises IndexError when there is none."""
        if not 0 <= number < self.num_lines:
            raise IndexError(number)
        with open_file(self._copy) as file:
            file.seek(self._places.offsets[number // self._places.step])
            for _ in range(number % self._places.step):
                file.readline(MAX_LINE_BYTES)
            return file.readline(MAX_LINE_BYTES).decode("utf-8", "replace").rstrip("\r\n")


def find_names(source: Source, endings: Sequence[str]) -> list[str]:
    """Return the files below a folder, or in a zip archive, by their endings; names as from there, sorted.

    Links are not followed into folders. Raises VL2Error on too many.
    """
    if source.path.lower().endswith(".zip"):
        names = [name for name in Archive(source.path).members if not name.endswith("/")]
    else:
        place = Path(source.path)
        names = [path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()]
    found = sorted(name for name in names if name.lower().endswith(tuple(endings)))
    if len(found) > MOST_FILES:
        raise VL2Error(source.path, "too many files", got=len(found), expected=f"at most {MOST_FILES}")
    return found
