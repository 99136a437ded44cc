"""The log of one run's answers: one JSON line a finished sample, only ever appended to, safe against a kill."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.settings import build

SYNC_LINES, SYNC_S = 16, 2.0  # what a failing machine may lose; a killed process loses nothing that was written
MOST_LINE_BYTES = 16 << 20
LOCK_FILE = "lock"


@dataclass(frozen=True, kw_only=True)
class AnswerLine:
    """One line of `answers.jsonl`."""

    key: str  # hash of the row's id, prompt, images, generation settings and the model
    id: str
    images: tuple[str, ...]  # SHA-256 of each file
    said: str
    finish_reason: str
    num_tokens: int | None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Rank:
    """Which share of the rows this process answers; each of several has a file of its own."""

    number: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.size:
            raise VL2Error("RANK", "out of range", got=self.number, expected=f"0..{self.size - 1}")

    @classmethod
    def from_environment(cls) -> Rank:
        """Return what torchrun says. Raises VL2Error on what is no number."""
        values = [os.environ.get(name, other) for name, other in (("RANK", "0"), ("WORLD_SIZE", "1"))]
        if not all(value.isdecimal() and len(value) < 7 for value in values):
            raise VL2Error("RANK and WORLD_SIZE", "not numbers", got=", ".join(values)[:80], do="Start with torchrun.")
        return cls(number=int(values[0]), size=int(values[1]))

    @property
    def suffix(self) -> str:
        """Return what tells this process's files from others'."""
        return "" if self.size == 1 else f".{self.number}"

    def has(self, key: str) -> bool:
        """Tell whether a sample is answered here."""
        return int(key[:15], 16) % self.size == self.number


class AnswerLog:
    """Append answers. What a kill has torn from the last line is removed first."""

    def __init__(self, folder: Path, rank: Rank) -> None:
        self._file = open_to_append(folder / f"answers{rank.suffix}.jsonl")
        self._num_unsynced, self._synced_at = 0, time.monotonic()

    def __enter__(self) -> AnswerLog:
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

    def append(self, line: AnswerLine) -> None:
        """Write one line; it is on the disk with its batch."""
        left = memoryview(to_line(asdict(line)))
        while left:
            left = left[self._file.write(left) :]
        self._num_unsynced += 1
        if self._num_unsynced >= SYNC_LINES or time.monotonic() - self._synced_at > SYNC_S:
            os.fsync(self._file.fileno())
            self._num_unsynced, self._synced_at = 0, time.monotonic()


def read_answers(folder: Path) -> dict[str, AnswerLine]:
    """Return the answers of all processes by key; one that was given wins over an error. Raises VL2Error."""
    found: dict[str, AnswerLine] = {}
    for path in sorted(folder.glob("answers*.jsonl")):
        for record in read_lines(path, last_may_be_torn=True):
            line = build(AnswerLine, record, thing=str(path))
            if line.key not in found or found[line.key].error:
                found[line.key] = line
    return found


def read_lines(path: Path, *, last_may_be_torn: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file. Raises VL2Error on a line that is none."""
    try:
        with path.open("rb") as stream:
            number = 0
            while data := stream.readline(MOST_LINE_BYTES + 1):
                number += 1
                if last_may_be_torn and not data.endswith(b"\n"):
                    return
                if data.strip():
                    yield _read_line(data, f"{path}:{number}")
    except OSError as error:
        raise VL2Error(str(path), "cannot be read", got=type(error).__name__, do="Check the path.") from None


def open_to_append(path: Path) -> FileIO:
    """Open a file for appending, cut behind its last whole line."""
    stream = path.open("ab+", buffering=0)
    size = stream.seek(0, os.SEEK_END)
    kept = size
    while kept:
        start = max(0, kept - 65536)
        stream.seek(start)
        end = stream.read(kept - start).rfind(b"\n")
        kept = start + end + 1 if end >= 0 else start
        if end >= 0:
            break
    if kept < size:
        stream.truncate(kept)
    return stream


def to_line(record: dict[str, Any]) -> bytes:
    """Return a record as one line of UTF-8; halves of surrogate pairs, which UTF-8 has not, are escaped."""
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record).encode() + b"\n"


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file, so that no reader ever sees half of it."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    part.write_bytes(data)
    part.replace(path)


@contextmanager
def locked(folder: Path, rank: Rank) -> Iterator[None]:
    """Keep other processes from writing here: any other, or of several that share the rows the same rank."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        _lock(stack, folder / LOCK_FILE, shared=rank.size > 1)
        if rank.size > 1:
            _lock(stack, folder / f"{LOCK_FILE}{rank.suffix}", shared=False)
        yield


def _lock(stack: ExitStack, path: Path, *, shared: bool) -> None:
    stream = stack.enter_context(path.open("w"))
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        raise VL2Error(
            str(path.parent), "another process is writing here", do="Wait for it, or give another --out."
        ) from None


def _read_line(data: bytes, thing: str) -> dict[str, Any]:
    try:
        if len(data) > MOST_LINE_BYTES:
            raise ValueError("longer than 16 MB")
        record = json.loads(data)
        if not isinstance(record, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise VL2Error(thing, f"not a JSON object: {str(error)[:80]}", do="Start anew with --restart.") from None
    return record
