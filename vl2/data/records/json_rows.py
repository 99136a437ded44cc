"""JSON rows: one object a line, or one array of objects, as LLaVA's files are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from vl2.core.errors import VL2Error
from vl2.data.faults import Fault
from vl2.data.records.files import MAX_ROW_BYTES, open_file, unpacked
from vl2.data.records.row import Places, Row

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_SPACE = " \t\r\n"


class JsonRows:
    """The objects of a .jsonl or .json file; scanned once for their places, then read piece by piece."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._copy = unpacked(path)
        places = Places()
        with open_file(self._copy) as file:
            self.is_array = _is_array(file)
            for offset, _ in _elements(file, path) if self.is_array else _lines(file):
                places.add(offset)
        self._offsets, self.piece_rows = places.offsets, places.rows()

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the rows of one piece."""
        with open_file(self._copy) as file:
            file.seek(self._offsets[piece])
            found = _elements(file, self.path, inside=True) if self.is_array else _lines(file)
            return [_parse(next(found)[1]) for _ in range(self.piece_rows[piece])]


def _parse(text: bytes | None) -> Row | Fault:
    if text is None:
        return Fault("a row is too long")
    try:
        record: Any = json.loads(text.removeprefix(_BOM).decode("utf-8"))
    except (ValueError, RecursionError):
        return Fault("not JSON")
    return Row(record) if isinstance(record, dict) else Fault("not an object")


def _is_array(file: BinaryIO) -> bool:
    start = file.read(_CHUNK).removeprefix(_BOM).lstrip()
    file.seek(0)
    return start.startswith(b"[")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield the place and text of each line that is not blank; None for one that is too long."""
    offset = file.tell()
    while line := file.readline(MAX_ROW_BYTES):
        length, is_whole = len(line), len(line) < MAX_ROW_BYTES or line.endswith(b"\n")
        while not is_whole:
            rest = file.readline(_CHUNK)
            length += len(rest)
            is_whole = not rest or rest.endswith(b"\n")
        if line.strip():
            yield offset, line if length == len(line) else None
        offset += length


def _elements(file: BinaryIO, path: str, *, inside: bool = False) -> Iterator[tuple[int, bytes]]:
    """Yield the place and text of each object of an array; `inside`: the file stands at the first one.

    Latin-1 has one character a byte, so that places in the text are places in the file. Raises VL2Error on no JSON.
    """
    decoder = json.JSONDecoder(strict=False)
    offset, at, is_last = file.tell(), 0, False
    text = file.read(_CHUNK).decode("latin-1")
    if not inside:
        at = text.index("[") + 1
    while True:
        while at < len(text) and text[at] in _SPACE + ",":
            at += 1
        try:
            if at < len(text) and text[at] == "]":
                return
            if at < len(text) and text[at] != "{":
                raise VL2Error(path, "an element is not an object", got=f"{text[at]!r} at byte {offset + at}")
            end = decoder.raw_decode(text, at)[1]
        except (ValueError, RecursionError) as error:  # perhaps only not whole yet
            more = b"" if is_last or len(text) - at > MAX_ROW_BYTES else file.read(_CHUNK)
            if not more:
                place = f"byte {offset + at}"
                raise VL2Error(path, "not a JSON array", got=place, do="Write one object a line.") from error
            text, offset, at = text[at:] + more.decode("latin-1"), offset + at, 0
            continue
        yield offset + at, text[at:end].encode("latin-1")
        at = end
