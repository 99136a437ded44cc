"""Manifest: one line a finished block. A block is finished when its receipt is there.

Files appear whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
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


def write_whole(path: Path, data: bytes) -> Written:
    """Write a file so that it is there whole and on the disk, or not there."""
    # of this process alone: a block that is given out again, as its node seems lost, may be written twice at a time
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{INCOMPLETE}")
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    return Written(name=path.name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Note that a block is finished, after its files are."""
    write_whole(folder / RECEIPTS / _name(receipt.block), to_line(asdict(receipt)))


def is_finished(folder: Path, block: int) -> bool:
    """Tell whether a block has its receipt."""
    return (folder / RECEIPTS / _name(block)).exists()


def write_manifest(folder: Path, num_blocks: int) -> Path:
    """Put the receipts of all blocks, in order, into one file."""
    part = folder / f"{MANIFEST}{INCOMPLETE}"
    with part.open("wb") as out:
        for block in range(num_blocks):
            out.write((folder / RECEIPTS / _name(block)).read_bytes())
    return part.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Iterator[Receipt]:
    """Yield the receipts of a folder, in order of their blocks. Raises VL2Error when it has none yet."""
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except OSError:
        raise VL2Error(str(folder), "no manifest here", do="Run `vl2 corpus run` until it ends.") from None
    for line in lines:
        record = json.loads(line)
        files = tuple(Written(**file) for file in record.pop("files"))
        yield Receipt(files=files, steps=tuple(Passed(**step) for step in record.pop("steps")), **record)


def find_damaged(folder: Path) -> list[str]:
    """Return the files of a manifest that are missing, or are not what was written."""
    files = [file for receipt in read_manifest(folder) for file in receipt.files]
    return [file.name for file in files if not _is_same(folder / file.name, file)]


def clear_incomplete(folder: Path) -> None:
    """Remove what a killed process has left half written."""
    for path in folder.rglob(f"*{INCOMPLETE}"):
        if path.is_file():
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


def _is_same(path: Path, file: Written) -> bool:
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256


def _name(block: int) -> str:
    return f"{block:08d}.json"
