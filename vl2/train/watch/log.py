"""The run's log.jsonl: one line after the other, none twice after a resume."""

from __future__ import annotations

import errno
import json
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vl2.train.watch.line import LogLine

LOG = "log.jsonl"
MOST_LINE_BYTES = 1 << 20
MOST_STEPS = 1 << 53  # beyond that a float skips numbers


def append_line(folder: Path, line: LogLine) -> None:
    """Add a line, whole or not at all. Warns where there is no room for it: a run is worth more than its log."""
    data = line.to_json().encode() + b"\n"
    try:
        with (folder / LOG).open("ab", buffering=0) as log:
            end = log.tell()
            if log.write(data) < len(data):
                log.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        warnings.warn(f"{folder / LOG}: the line of step {line.step} is lost: {error.strerror}", stacklevel=2)


def cut_log(folder: Path, step: int) -> float:
    """Drop lines of steps after `step`, and what is no line, before they are done again. Returns the seconds so far."""
    path = folder / LOG
    if not path.is_file():
        return 0.0
    seconds, is_cut = 0.0, False
    fresh = path.with_name(f"{LOG}.incomplete")
    with path.open("rb") as old, fresh.open("wb") as new:
        for data in bounded_lines(old):
            record = parse_line(data)
            if record is None or record["step"] > step:
                is_cut = True
                continue
            is_cut |= not data.endswith(b"\n")  # the next line would be joined to it
            new.write(data if data.endswith(b"\n") else data + b"\n")
            seconds = max(seconds, number(record.get("seconds")) or 0.0)
    if is_cut:
        fresh.replace(path)
    else:
        fresh.unlink()
    return seconds


def bounded_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines with their ends; of one that is too long, its beginning."""
    while data := stream.readline(MOST_LINE_BYTES + 1):
        yield data
        while len(data) > MOST_LINE_BYTES and not data.endswith(b"\n"):
            data = stream.readline(MOST_LINE_BYTES + 1)


def parse_line(data: bytes) -> dict[str, Any] | None:
    """Return a line's record, None when it is none: torn, too long, not JSON, or without a step."""
    if len(data) > MOST_LINE_BYTES:
        return None
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int or not 0 <= record["step"] < MOST_STEPS:
        return None
    return record


def number(value: Any) -> float | None:
    """Return what is a finite number as one, None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
