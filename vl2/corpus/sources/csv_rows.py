"""CSV rows: tables of texts with a heading, a comma or tab between cells, quoted so that cells may hold line breaks.

A quote that is never closed would swallow the rest of a file: it costs its own line, and reading goes on behind it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vl2.core.errors import VL2Error
from vl2.corpus.source import Source
from vl2.data.faults import Fault
from vl2.data.records.files import open_file, unpacked
from vl2.data.records.row import Places, Row

MAX_CELL = 1 << 20  # characters
MAX_LINE_BYTES = 4 << 20
_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


class CsvRows:
    """The rows of one file; scanned once for their places."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._copy = unpacked(path)
        self.delimiter = "\t" if ".tsv" in path.lower().rpartition("/")[2] else ","
        places = Places()
        with open_file(self._copy) as file:
            found = records(file, self.delimiter)
            heading = next(found, (0, None))[1]
            if heading is None:
                raise VL2Error(path, "has no heading", do="Fetch the file again.")
            self.names = [name.strip().removeprefix("\ufeff") for name in heading]
            for offset, _ in found:
                places.add(offset)
        self._offsets, self.piece_rows, self._step = places.offsets, places.rows(), places.step

    def walk(self) -> Iterator[tuple[int, int, Row | Fault]]:
        """Yield piece, place within it and row, of all rows in one pass."""
        with open_file(self._copy) as file:
            found = records(file, self.delimiter)
            next(found)  # the heading
            for number, (_, cells) in enumerate(found):
                yield *divmod(number, self._step), self._row(cells)

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the rows of one piece."""
        with open_file(self._copy) as file:
            file.seek(self._offsets[piece])
            found = records(file, self.delimiter)
            return [self._row(next(found)[1]) for _ in range(self.piece_rows[piece])]

    def _row(self, cells: list[str] | None) -> Row | Fault:
        if cells is None:
            return Fault("a line that is too long, or whose quotes do not close")
        if len(cells) != len(self.names):
            return Fault("a row with another number of cells than its heading")
        return Row(dict(zip(self.names, cells, strict=True)))


def open_csv(source: Source) -> list[CsvRows]:
    """Open the .csv and .tsv files that a path names."""
    place = Path(source.path)
    if place.is_dir():
        files = sorted(str(file) for file in place.iterdir() if file.name.lower().endswith(_ENDINGS))
    elif any(sign in source.path for sign in "*?["):
        anchor = Path(place.anchor)
        files = sorted(map(str, anchor.glob(str(place.relative_to(anchor)))))
    else:
        files = [source.path]
    if not files:
        raise VL2Error(source.path, "no tables here", expected=", ".join(_ENDINGS), do="Check the path.")
    return [CsvRows(file) for file in files]


def records(file: BinaryIO, delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """Yield place and cells of each record from where the file stands; None of one that cannot be read."""
    csv.field_size_limit(MAX_CELL)
    while True:
        start = file.tell()
        lines = _Lines(file)
        try:
            cells = next(csv.reader(lines, delimiter=delimiter, strict=False), None)
        except (csv.Error, UnicodeDecodeError):
            cells = None
            file.seek(start)
            _Lines(file).skip()
        else:
            if cells is None:
                return
            if not lines.is_whole:
                cells = None
                file.seek(start)
                _Lines(file).skip()
        if cells != []:  # a blank line
            yield start, cells


class _Lines:
    """The lines of a file as texts, one at a time: what is read is what a record took."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._taken = 0
        self.is_whole = True

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE_BYTES)
        if not line:
            self.is_whole = self._taken == 0  # the file ended within quotes
            raise StopIteration
        self._taken += 1
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            raise csv.Error("a line is too long")
        return line.decode("utf-8").replace("\0", "")

    def skip(self) -> None:
        """Step over one line, however long."""
        while line := self._file.readline(MAX_LINE_BYTES):
            if line.endswith(b"\n"):
                return
