"""Manifest: one line a finished block. A block is finished when its receipt is there.

Files appear whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error

INCOMPLETE = ".incomplete"
MANIFEST, RECEIPTS, LOCK = "manifest.jsonl", "done", "lock"


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file: its name in its folder, its length and SHA-256."""

    name: str
    bytes: int
    sha256: str


Shard = tuple[list[Written], list[str]]  # the files of a block in one format, and why rows are not in them


@dataclass(frozen=True, kw_only=True)
class Passed:
    """What one step did to the rows of a block."""

    step: str
    version: int
    kept_before: int
    kept: int
    reasons: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of one block in one stage, or in one format."""

    block: int
    num_rows: int
    num_kept: int
    files: tuple[Written, ...]
    steps: tuple[Passed, ...] = ()
    skipped: dict[str, int]  # rows that could not be read or written, by reason


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path to write at; then the file is at its own, whole and on the disk, or it is not there."""
    # of this process alone: a block that is given out again, as its node seems lost, may be written twice at a time
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{INCOMPLETE}")
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)  # half a file on a full disk helps nobody
        do = "Make room, or mend the disk, and run it again: it goes on where it was."
        raise VL2Error(str(path), f"cannot be written: {error.strerror}", do=do) from None


def write_whole(path: Path, data: bytes) -> Written:
    """Write a file so that it is there whole and on the disk, or not there."""
    with written_whole(path) as part:
        part.write_bytes(data)
    return Written(name=path.name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def describe_file(folder: Path, name: str) -> Written:
    """Return what a file of the folder is, read piece by piece."""
    path = folder / name
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Written(name=name, bytes=path.stat().st_size, sha256=digest)


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Note that a block is finished, after its files are."""
    write_whole(folder / RECEIPTS / _name(receipt.block), to_line(asdict(receipt)))


def is_finished(folder: Path, block: int) -> bool:
    """Tell whether a block has its receipt."""
    return (folder / RECEIPTS / _name(block)).exists()


def read_written(folder: Path, block: int, name: str) -> bytes:
    """Return a file of a finished block. Raises VL2Error when it is not what was written."""
    told = {file.name: file for file in read_receipt(folder, block).files}
    path = folder / name
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != told[name].sha256:
        do = f"Remove {folder / RECEIPTS / _name(block)} and {folder / MANIFEST}, and run it again."
        raise VL2Error(str(path), "is damaged: it is not what was written", do=do)
    return data


def read_receipt(folder: Path, block: int) -> Receipt:
    """Return the receipt of a finished block."""
    return _receipt((folder / RECEIPTS / _name(block)).read_bytes())


def has_manifest(folder: Path) -> bool:
    """Tell whether all of a folder is finished."""
    return (folder / MANIFEST).exists()


def write_manifest(folder: Path, num_receipts: int) -> Path:
    """Put all receipts, in order, into one file: the folder is finished."""
    with written_whole(folder / MANIFEST) as part, part.open("wb") as out:
        for block in range(num_receipts):
            out.write((folder / RECEIPTS / _name(block)).read_bytes())
    return folder / MANIFEST


def read_manifest(folder: Path) -> Iterator[Receipt]:
    """Yield the receipts of a folder, in order of their blocks. Raises VL2Error when it has none yet."""
    try:
        lines = (folder / MANIFEST).open(encoding="utf-8")
    except OSError:
        raise VL2Error(str(folder), "no manifest here", do="Run `vl2 corpus run` until it ends.") from None
    with lines:
        for line in lines:
            yield _receipt(line)


def find_damaged(folder: Path) -> list[str]:
    """Return the files of a manifest that are missing, or are not what was written."""
    files = (file for receipt in read_manifest(folder) for file in receipt.files)
    return [file.name for file in files if not _is_same(folder, file)]


def clear_incomplete(folder: Path) -> None:
    """Remove what a killed process has left half written, files and folders."""
    for path in list(folder.rglob(f"*{INCOMPLETE}")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def to_line(record: Any) -> bytes:
    """Return a record as one line, the same for equal records."""
    return json.dumps(record, ensure_ascii=True, sort_keys=True).encode() + b"\n"


def count(reasons: Sequence[str]) -> dict[str, int]:
    """Return how often each reason occurs, by name."""
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second run out of the folder. Raises VL2Error."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            do = "Wait for it, or set another out."
            raise VL2Error(str(folder), "another process is writing here", do=do) from None
        yield


def _receipt(line: str | bytes) -> Receipt:
    record = json.loads(line)
    files = tuple(Written(**file) for file in record.pop("files"))
    return Receipt(files=files, steps=tuple(Passed(**step) for step in record.pop("steps")), **record)


def _is_same(folder: Path, file: Written) -> bool:
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.bytes and describe_file(folder, file.name) == file


def _name(block: int) -> str:
    return f"{block:08d}.json"
