"""Opened records: whatever a path names, as one list of Samples that is read piece by piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.data.faults import Fault, add_fault
from vl2.data.records.coco import load_document, read_coco, read_refcoco
from vl2.data.records.files import find_files, is_url, kind_of, open_file, unpacked
from vl2.data.records.forms import to_sample
from vl2.data.records.json_rows import JsonRows
from vl2.data.records.label_folders import is_labelme, is_yolo, read_labelme, read_yolo
from vl2.data.records.mds_rows import MdsRows
from vl2.data.records.parquet_rows import ParquetRows
from vl2.data.records.piece_cache import PieceCache
from vl2.data.records.root import Root
from vl2.data.records.row import RecordFile, first_rows
from vl2.data.records.tar_rows import TarRows


class SampleFile(Protocol):
    """One file of a record list."""

    piece_rows: np.ndarray  # [pieces]

    def read(self, piece: int) -> Sequence[Sample | Fault]:
        """Return the rows of a piece."""
        ...


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a look at every row found."""

    num_rows: int
    num_usable: int
    skipped: dict[str, int]  # rows by reason


class RecordList:
    """All rows of some files, in order. A row is a Sample, or the Fault for which it cannot be used."""

    def __init__(self, files: Sequence[SampleFile]) -> None:
        self.files = files
        pieces = [file.piece_rows for file in files]
        self.piece_rows = pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros(0, int), *pieces])
        self._first_piece = np.cumsum([0, *(len(file.piece_rows) for file in files)])
        self._first_row = first_rows(self.piece_rows)
        self._pieces = PieceCache()
        self._last: tuple[int, Sequence[Sample | Fault]] | None = None

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def __getitem__(self, row: int) -> Sample | Fault:
        if not 0 <= row < len(self):
            raise IndexError(row)
        piece = self._piece(row)
        return self.read(piece)[row - int(self._first_row[piece])]

    def __iter__(self) -> Iterator[Sample | Fault]:
        return chain.from_iterable(map(self._read, range(len(self.piece_rows))))

    def between(self, first: int, stop: int) -> Iterator[Sample | Fault]:
        """Yield rows `first` up to `stop`, a piece in memory at a time; the last is kept, for the next rows."""
        while first < stop:
            piece = self._piece(first)
            if self._last is None or self._last[0] != piece:
                self._last = None  # before the next is read
                self._last = (piece, self._read(piece))
            start = int(self._first_row[piece])
            found = self._last[1][first - start : stop - start]
            if not found:
                raise IndexError(first)
            yield from found
            first += len(found)

    def read(self, piece: int) -> Sequence[Sample | Fault]:
        """Return the rows of one piece; pieces of several rows stay in memory for a while."""
        return self._pieces.get(piece, self._read) if self.piece_rows[piece] > 1 else self._read(piece)

    def usable(self, skipped: Counter[str] | None = None) -> Iterator[Sample]:
        """Yield the samples, and count the reasons of the rows between them."""
        for row in self:
            if isinstance(row, Sample):
                yield row
            elif skipped is not None:
                skipped[row.reason] += 1

    def _piece(self, row: int) -> int:
        return int(np.searchsorted(self._first_row, row, "right")) - 1

    def _read(self, piece: int) -> Sequence[Sample | Fault]:
        number = int(np.searchsorted(self._first_piece, piece, "right")) - 1
        return self.files[number].read(piece - int(self._first_piece[number]))


def open_records(paths: str | Sequence[str], images: str | None = None) -> RecordList:
    """Open files, folders, patterns and URLs of records: JSONL, JSON, Parquet, tar, MDS, COCO, RefCOCO, YOLO, LabelMe.

    `images` is the folder or URL that image paths are relative to and may not leave; by default that of their file.
    Raises VL2Error on what is no file of records; rows that cannot be used are Faults, not errors.
    """
    files: list[SampleFile] = []
    for path in [paths] if isinstance(paths, str) else paths:
        if not is_url(path) and is_yolo(Path(path)):
            files.append(_Listed(list(read_yolo(Path(path)))))
        else:
            files += [_open(file, Root(images or _folder_of(file))) for file in find_files(path)]
    return RecordList(files)


def verify(records: RecordList) -> Verified:
    """Look at every row. Images are not opened."""
    counts: dict[str, int] = {}
    for row in records:
        if isinstance(row, Fault):
            counts = add_fault(counts, row)
    skipped = sum(counts.values())
    return Verified(num_rows=len(records), num_usable=len(records) - skipped, skipped=counts)


class _Rows:
    """Rows of conversations."""

    def __init__(self, file: RecordFile, root: Root) -> None:
        self.file, self.root, self.piece_rows = file, root, file.piece_rows
        self._first_row = first_rows(file.piece_rows)

    def read(self, piece: int) -> Sequence[Sample | Fault]:
        name, first = Path(self.file.path).name, int(self._first_row[piece])
        rows = enumerate(self.file.read(piece), first)
        return [to_sample(row, f"{name}:{number}", self.root) for number, row in rows]


class _Listed:
    """Samples of an annotation file, which can only be read whole; their images are not."""

    def __init__(self, samples: Sequence[Sample | Fault]) -> None:
        self.samples, self.piece_rows = samples, np.ones(len(samples), int)

    def read(self, piece: int) -> Sequence[Sample | Fault]:
        return self.samples[piece : piece + 1]


def _open(path: str, root: Root) -> SampleFile:
    kind = kind_of(path)
    if kind == ".parquet":
        return _Rows(ParquetRows(path), root)
    if kind == ".tar":
        return _Rows(TarRows(path), root)
    if kind == ".mds":
        return _Rows(MdsRows(path), root)
    if path.endswith(".p") or (kind == ".json" and _first_character(path) == b"{"):
        return _annotations(path, root)
    if kind is None:
        raise VL2Error(path, "unknown format", expected=".jsonl, .json, .parquet, .tar or .mds, perhaps with .gz")
    return _Rows(JsonRows(path), root)


def _annotations(path: str, root: Root) -> SampleFile:
    if is_url(root.location):
        raise VL2Error(path, "annotations are read from disk only", do="Copy them and their images first.")
    if path.endswith(".p"):  # RefCOCO's references lie beside their instances.json
        return _Listed(list(read_refcoco(path, str(Path(path).parent / "instances.json"), root)))
    document = load_document(path)
    if is_labelme(document):
        return _Listed(list(read_labelme(path, document, root)))
    if not {"images", "annotations", "categories"} <= set(document):
        raise VL2Error(
            path, "neither an array of records nor annotations", got=", ".join(list(document)[:8]),
            expected="images, annotations and categories, or shapes", do="Name a file of one object a line .jsonl.",
        )  # fmt: skip
    return _Listed(list(read_coco(path, document, root)))


def _first_character(path: str) -> bytes:
    with open_file(unpacked(path)) as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0] if is_url(path) else str(Path(path).parent)
