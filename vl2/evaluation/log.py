"""The log of one run's answers: one JSON line a finished sample, only ever appended to, safe against a kill."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.settings import build
from vl2.evaluation.rank import Rank

SYNC_LINES, SYNC_S = 16, 2.0  # what a failing machine may lose; a killed process loses nothing that was written
MOST_LINE_BYTES = 64 << 20


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
                if last_may_be_torn and not data.endswith(b"\n") and len(data) <= MOST_LINE_BYTES:
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


def _read_line(data: bytes, thing: str) -> dict[str, Any]:
    try:
        if len(data) > MOST_LINE_BYTES:
            raise ValueError("longer than 64 MB")
        record = json.loads(data)
        if not isinstance(record, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise VL2Error(
            thing, f"not a JSON object: {str(error)[:80]}", do="Correct this line, or start anew with --restart."
        ) from None
    return record
