"""MDS rows: shards of mosaicml-streaming. What a shard claims of itself is compared with its size before it is used.

Columns of text, numbers, JSON and encoded images are read; pickles are refused; other columns are passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from vl2.core.errors import VL2Error
from vl2.data.faults import Fault, RowError
from vl2.data.records.files import MAX_PIECE_BYTES, open_file, unpacked
from vl2.data.records.row import MOST_IMAGES, Row

RECORD = "record"  # a column of JSON that holds the row itself
_MOST_ROWS, _MOST_COLUMNS = 1 << 22, 256  # of one shard
_MAX_CONFIG_BYTES = 1 << 20
_DAMAGED = Fault("a damaged row")

_VALUES: dict[str, Callable[[bytes], Any]] = {
    "str": lambda data: data.decode("utf-8"),
    "json": lambda data: json.loads(data.decode("utf-8")),
    "int": lambda data: int.from_bytes(data, "little", signed=True),
    "str_int": lambda data: int(data.decode("ascii")),
}
_IMAGES: dict[str, Callable[[bytes], list[bytes]]] = {
    "jpeg": lambda data: [data],
    "png": lambda data: [data],
    "list[jpeg]": lambda data: _parts(data, 4),
    "list[png]": lambda data: _parts(data, 4),
    "jpeg_array": lambda data: _parts(data, 0),
    "jpegarray": lambda data: _parts(data, 0),
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of all rows of a shard; without a size, each row tells its own."""

    name: str
    encoding: str
    size: int | None


class MdsRows:
    """The rows of a .mds file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._copy = unpacked(path)
        with open_file(self._copy) as file:
            self._columns, self._places = _read_head(file, path)
        self.piece_rows = np.ones(len(self._places) - 1, int)

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the one row of a piece."""
        begin, end = map(int, self._places[piece : piece + 2])
        if end - begin > MAX_PIECE_BYTES:
            return [Fault("a row is too long")]
        with open_file(self._copy) as file:
            file.seek(begin)
            data = file.read(end - begin)
        try:
            return [_row(self._columns, data)]
        except RowError:
            return [_DAMAGED]
        except (ValueError, RecursionError):
            return [Fault("not JSON")]


def _read_head(file: BinaryIO, path: str) -> tuple[list[Column], np.ndarray]:
    """Return the columns and the places of rows [rows + 1]. Raises VL2Error on what is no shard."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    num_rows = int.from_bytes(file.read(4), "little")
    first = 4 + 4 * (num_rows + 1)
    if first > size or num_rows > _MOST_ROWS:
        raise _broken(path, "more rows than it has room for")
    places = np.frombuffer(file.read(first - 4), "<u4").astype(np.int64)
    if places[0] < first or places[-1] > size or (np.diff(places) < 0).any():
        raise _broken(path, "rows that lie outside of it")
    if places[0] - first > _MAX_CONFIG_BYTES:
        raise _broken(path, "too much said of its columns")
    return _columns(file.read(int(places[0]) - first), path), places


def _columns(config: bytes, path: str) -> list[Column]:
    try:
        told = json.loads(config)
        named = zip(told["column_names"], told["column_encodings"], told["column_sizes"], strict=True)
        columns = [Column(name=str(name), encoding=str(encoding), size=size) for name, encoding, size in named]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise _broken(path, "no list of columns") from None
    if len(columns) > _MOST_COLUMNS or not all(_is_size(column.size) for column in columns):
        raise _broken(path, "too many columns, or columns of no size")
    if any(column.encoding == "pkl" for column in columns):
        raise VL2Error(path, "holds pickles, which are programs", do="Write that column as json.")
    return columns


def _is_size(told: object) -> bool:
    return told is None or (isinstance(told, int) and 0 <= told < 1 << 32)


def _row(columns: list[Column], data: bytes) -> Row:
    record: dict[str, Any] = {}
    images: list[bytes] = []
    for column, value in _cells(columns, data):
        if column.encoding in _VALUES:
            record[column.name] = _VALUES[column.encoding](value)
        elif column.encoding in _IMAGES:
            images += _IMAGES[column.encoding](value)
    if len(images) > MOST_IMAGES:
        raise RowError("too many images")
    whole = record.pop(RECORD) if isinstance(record.get(RECORD), dict) else {}
    return Row({**record, **whole}, tuple(images))


def _cells(columns: list[Column], data: bytes) -> Iterator[tuple[Column, bytes]]:
    """Yield each column's bytes. Raises RowError where sizes do not add up."""
    varying = [column for column in columns if not column.size]
    at = 4 * len(varying)
    told = iter(np.frombuffer(data[:at], "<u4").tolist() if len(data) >= at else [])
    for column in columns:
        size = column.size or next(told, None)
        if size is None or at + size > len(data):
            raise RowError("a row ends too early")
        yield column, data[at : at + size]
        at += size


def _parts(data: bytes, skipped: int) -> list[bytes]:
    """Return the elements of a list: after `skipped` bytes their number, their sizes, then they themselves."""
    number = int.from_bytes(data[skipped : skipped + 4], "little")
    at = skipped + 4 + 4 * number
    if number > MOST_IMAGES or at > len(data):
        raise RowError("a list that is longer than its row")
    parts = []
    for size in np.frombuffer(data[skipped + 4 : at], "<u4").tolist():
        if at + size > len(data):
            raise RowError("an element that is longer than its row")
        parts.append(data[at : at + size])
        at += size
    return parts


def _broken(path: str, claim: str) -> VL2Error:
    return VL2Error(path, f"no shard of MDS: it has {claim}", do="Fetch the file again.")
