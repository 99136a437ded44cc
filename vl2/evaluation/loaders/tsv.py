"""VLMEvalKit's tables: one file, images in base64, or the index of another row whose image is meant."""

from __future__ import annotations

import base64
import binascii
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.loaders.literal import is_missing, read_list
from vl2.evaluation.loaders.within import inside

MOST_LETTERS = 256 << 20  # of one cell: several images in base64
MOST_REFERENCE = 64  # a shorter image cell names a row
BYTE_ORDER_MARK = "\ufeff"
LOCAL = "_local"  # ends the name of a table whose images were written to files
IMAGE, PATH, INDEX = "image", "image_path", "index"


class TsvFile:
    """A table that is read row by row; of rows that were read only their places are kept."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        csv.field_size_limit(MOST_LETTERS)
        self.path, self.stream, self.offset = path, stream, 0
        self.columns = next(self._rows(), [])
        if INDEX not in self.columns:
            raise VL2Error(str(path), "not a VLMEvalKit table", got=", ".join(self.columns)[:80],
                           expected="tab-separated columns, one of them index")  # fmt: skip
        self.places: dict[str, int] = {}  # of rows with an image of their own, by index

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield every row, its images found."""
        rows = self._rows()
        while True:
            place = self.offset
            cells = next(rows, None)
            if cells is None:
                return
            record = self._record(cells)
            self._note(record, place)
            record[IMAGE] = self._images(record)
            yield record

    def _rows(self) -> Iterator[list[str]]:
        try:
            yield from csv.reader(self._lines(), delimiter="\t")
        except csv.Error as error:
            raise VL2Error(str(self.path), f"cannot be read as a table: {error}", do="Fetch it again.") from None

    def _lines(self) -> Iterator[str]:
        while line := self.stream.readline(MOST_LETTERS):
            self.offset += len(line)
            yield line.decode("utf-8", "replace").removeprefix(BYTE_ORDER_MARK)

    def _record(self, cells: list[str]) -> dict[str, Any]:
        if len(cells) != len(self.columns):
            raise VL2Error(f"{self.path.name}, row {cells[0][:40] if cells else ''}", "has another number of cells",
                           got=len(cells), expected=len(self.columns), do="Fetch the file again.")  # fmt: skip
        return dict(zip(self.columns, cells, strict=True))

    def _note(self, record: Mapping[str, str], place: int) -> None:
        if len(record.get(IMAGE, "")) > MOST_REFERENCE:
            self.places[record[INDEX]] = place

    def _images(self, record: Mapping[str, str]) -> list[ImageSource]:
        cell = record.get(IMAGE, "")
        listed = read_list(cell) if len(cell) <= MOST_REFERENCE else None
        if len(cell) > MOST_REFERENCE:
            return decode_images(cell)
        if not is_missing(cell):
            return [image for index in listed or [cell] for image in self._of_row(str(index))]
        paths = record.get(PATH, "")
        return [self._file(str(path)) for path in (read_list(paths) or [paths]) if not is_missing(path)]

    def _file(self, name: str) -> ImageSource:
        """Return an image beside the table, or where VLMEvalKit writes those of a table."""
        folder = self.path.parent
        written = folder / "images" / self.path.stem.removesuffix(LOCAL)
        path = inside(folder, name)
        return ImageSource(path=str(path if path.is_file() or not written.is_dir() else inside(written, name)))

    def _of_row(self, index: str) -> list[ImageSource]:
        """Return the images of another row, which may stand further down."""
        if index not in self.places:
            with self.path.open("rb") as stream:
                ahead = TsvFile(self.path, stream)
                ahead.note_all()
                self.places |= ahead.places
        if index not in self.places:
            raise VL2Error(f"{self.path.name}", "names the image of a row that is not there", got=index[:40])
        with self.path.open("rb") as stream:
            stream.seek(self.places[index])
            lines = (line.decode("utf-8", "replace") for line in iter(stream.readline, b""))
            cells = next(csv.reader(lines, delimiter="\t"))
        return decode_images(self._record(cells)[IMAGE])

    def note_all(self) -> None:
        """Learn where every row is that has an image."""
        rows = self._rows()
        place = self.offset
        for cells in rows:
            self._note(self._record(cells), place)
            place = self.offset


def read_tsv(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table. Raises VL2Error."""
    if path.is_dir():
        found = sorted(path.glob("*.tsv"))
        if len(found) != 1:
            raise VL2Error(str(path), "holds not one table", got=len(found), do="Name the .tsv file.")
        path = found[0]
    try:
        with path.open("rb") as stream:
            yield from TsvFile(path, stream).records()
    except OSError as error:
        raise VL2Error(str(path), "cannot be read", got=error.strerror, do="Check --data.") from None


def decode_images(cell: str) -> list[ImageSource]:
    """Return the images of a cell: base64, or a list of it. Raises VL2Error."""
    try:
        texts = read_images(cell) if cell.startswith("[") else [cell]
        return [ImageSource(data=base64.b64decode(text, validate=True)) for text in texts]
    except (binascii.Error, ValueError):
        raise VL2Error("image", "a cell that is not base64", got=repr(cell[:40]), do="Fetch the file again.") from None


def read_images(cell: str) -> list[str]:
    """Return the texts of a list of base64; quotes and commas cannot stand within them."""
    return [text for text in cell.strip("[] \n").replace('"', "'").split("'") if text.strip(", \n")]
