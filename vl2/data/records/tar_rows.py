"""Tar rows: WebDataset, where members whose names are equal up to the first dot make one row.

Headers are walked by hand, one block at a time: nothing is unpacked, nothing is followed, and no size that a header
claims is believed before it is compared with a limit.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from vl2.core.errors import VL2Error
from vl2.data.faults import Fault
from vl2.data.records.files import MAX_ROW_BYTES, open_file, unpacked
from vl2.data.records.row import MOST_IMAGES, Places, Row
from vl2.processor.images import DEFAULT_LIMITS

_BLOCK = tarfile.BLOCKSIZE
_MAX_NAME_BYTES = 1 << 16  # of a long name, and of the headers that hold one
_IMAGE = re.compile(r"(?:.*\.)?(?:png|jpe?g|webp|gif|bmp|tiff?|avif)", re.IGNORECASE)
_PAX_PATH = re.compile(rb"(?:^|\n)\d+ path=([^\n]*)\n")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file in the archive; `problem` says why it may not be read."""

    name: str
    header: int  # where its first header lies
    start: int
    size: int
    problem: str = ""

    @property
    def key(self) -> str:
        """Return the name up to the first dot of its last part."""
        path = PurePosixPath(self.name)
        return str(path.parent / path.name.partition(".")[0])

    @property
    def ending(self) -> str:
        """Return what follows that dot."""
        return PurePosixPath(self.name).name.partition(".")[2]


class TarRows:
    """The rows of a .tar file: `.json` or `.txt` with images beside it, in the order of their names."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._copy = unpacked(path)
        places = Places()
        with open_file(self._copy) as file:
            for group in _groups(file, path):
                places.add(group[0].header)
        self._offsets, self.piece_rows = places.offsets, places.rows()

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the rows of one piece."""
        with open_file(self._copy) as file:
            file.seek(self._offsets[piece])
            groups = _groups(file, self.path)
            return [_row(next(groups), file) for _ in range(self.piece_rows[piece])]


def _row(members: list[Member], file: BinaryIO) -> Row | Fault:
    problem = next((member.problem for member in members if member.problem), "")
    if problem:
        return Fault(problem)
    pictures = sorted((m for m in members if _IMAGE.fullmatch(m.ending)), key=lambda member: _in_order(member.ending))
    if len(pictures) > MOST_IMAGES or any(member.size > DEFAULT_LIMITS.max_bytes for member in pictures):
        return Fault("images are too many or too large")
    texts = {member.ending.lower(): member for member in members if member.ending.lower() in ("json", "txt")}
    if not texts:
        return Fault("no .json and no .txt beside the images")
    if any(member.size > MAX_ROW_BYTES for member in texts.values()):
        return Fault("a row is too long")
    try:
        record = json.loads(_read(file, texts["json"]).decode("utf-8")) if "json" in texts else {}
        if not isinstance(record, dict):
            return Fault("not an object")
        if "txt" in texts:
            record = {"caption": _read(file, texts["txt"]).decode("utf-8"), **record}
    except (ValueError, RecursionError):
        return Fault("not JSON")
    return Row({"id": members[0].key, **record}, tuple(_read(file, member) for member in pictures))


def _in_order(ending: str) -> tuple[int, str]:
    """Sort `2.png` before `10.png`."""
    number = ending.partition(".")[0]
    return (int(number), ending) if number.isdigit() and len(number) < 10 else (0, ending)


def _read(file: BinaryIO, member: Member) -> bytes:
    file.seek(member.start)
    return file.read(member.size)


def _groups(file: BinaryIO, path: str) -> Iterator[list[Member]]:
    """Yield neighbours of one key."""
    group: list[Member] = []
    for member in _members(file, path):
        if group and group[0].key != member.key:
            yield group
            group = []
        if len(group) <= MOST_IMAGES + 2:  # more is refused anyway
            group.append(member)
    if group:
        yield group


def _members(file: BinaryIO, path: str) -> Iterator[Member]:
    """Walk the headers from where the file stands. Raises VL2Error where there is no header."""
    at, first, long_name = file.tell(), None, None
    end = file.seek(0, os.SEEK_END)
    while at < end:  # a size may lead anywhere
        file.seek(at)
        block = file.read(_BLOCK)
        if not block.strip(b"\0"):
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise VL2Error(path, f"not a tar archive: {error}", got=f"byte {at}", do="Fetch the file again.") from None
        header, start = at if first is None else first, at + _BLOCK
        at = start + -(-info.size // _BLOCK) * _BLOCK
        if info.size < 0:
            raise VL2Error(path, "a member has a negative size", got=f"byte {header}")
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            first, long_name = header, _long_name(file, info) or long_name
            continue
        if info.isdir() or info.type == tarfile.XGLTYPE:
            first = long_name = None
            continue
        name = (long_name or info.name)[:_MAX_NAME_BYTES]
        yield Member(name=name, header=header, start=start, size=info.size, problem=_problem(info, name))
        first = long_name = None


def _long_name(file: BinaryIO, info: tarfile.TarInfo) -> str | None:
    """Return the name that an extra header gives to the next member; the file stands behind the header."""
    if info.size > _MAX_NAME_BYTES:
        return "../name too long"  # refused as what it is: a name that cannot be trusted
    data = file.read(info.size)
    if info.type == tarfile.GNUTYPE_LONGNAME:
        return data.rstrip(b"\0").decode("utf-8", "replace")
    found = _PAX_PATH.search(data)
    return found[1].decode("utf-8", "replace") if found else None


def _problem(info: tarfile.TarInfo, name: str) -> str:
    if info.issym() or info.islnk():
        return "a link in the archive"
    if not info.isreg() or info.type == tarfile.GNUTYPE_SPARSE:
        return "a member that is no file"
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        return "a member's name leaves the archive"
    return ""
