"""Cache: every reply of a teacher, on the disk before anything is made of it. What was paid for is never asked again.

A folder of logs that are only appended to, one a process, so that any number of processes and machines may share it.
A line that a kill has cut short is the last of its log, and is passed over.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from vl2.core.disk import sync
from vl2.core.errors import VL2Error
from vl2.corpus.manifest import to_line
from vl2.corpus.teacher.ask import Ask, Reply, Sampling

_KEY_BYTES = 16  # of a key that are kept in memory: enough to tell any number of requests apart
_FIELDS = {field.name: field.type for field in fields(Reply)}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a log: what was asked, of whom, what was said and what it cost."""

    key: str
    model: str
    prompt: str
    version: int
    cost: float
    reply: Reply


class Cache:
    """The replies of a folder; threads may share it."""

    def __init__(self, folder: str | Path) -> None:
        """Read what all processes have written so far. Raises VL2Error when it is no folder."""
        self._folder = Path(folder)
        self._lock = threading.Lock()
        self._places: dict[bytes, tuple[Path, int]] = {}
        self._refused: set[bytes] = set()  # of those, the ones that another reply may still take the place of
        self._read: dict[Path, int] = {}  # how far each log was read
        self._log: BinaryIO | None = None
        self.spent = 0.0  # for everything in the folder
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            raise VL2Error(str(folder), "cannot be a folder of replies", do="Name another one.") from None
        self.refresh()

    def __len__(self) -> int:
        return len(self._places)

    def refresh(self) -> None:
        """Read what other processes have written since."""
        with self._lock:
            for path in sorted(self._folder.glob("*.jsonl")):
                if path.stat().st_size > self._read.get(path, 0):
                    self._read_on(path)

    def find(self, key: str) -> Reply | None:
        """Return the reply to a request; None when nobody has asked yet."""
        place = self._places.get(_short(key))
        if place is None:
            return None
        with place[0].open("rb") as stream:
            stream.seek(place[1])
            entry = read_entry(stream.readline())
        return entry.reply if entry is not None and entry.key == key else None

    def add(self, key: str, ask: Ask, sampling: Sampling, reply: Reply, cost: float) -> None:
        """Write a reply down; when this returns it is on the disk."""
        entry = Entry(key=key, model=sampling.model, prompt=ask.prompt, version=ask.version, cost=cost, reply=reply)
        line = to_line(asdict(entry))
        with self._lock:
            log = self._open()
            place = Path(log.name), log.tell()
            log.write(line)
            log.flush()
            os.fsync(log.fileno())
            self._note(entry, place)
            self._read[place[0]] = place[1] + len(line)

    def close(self) -> None:
        """Close the log of this process."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _open(self) -> BinaryIO:
        if self._log is None:
            name = f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            self._log = (self._folder / name).open("xb")
            sync(self._folder)  # the name of the log, too, is there after a power cut
        return self._log

    def _note(self, entry: Entry, place: tuple[Path, int]) -> None:
        """Remember where the first reply stands, of those that are no refusals if there is one."""
        key = _short(entry.key)
        self.spent += entry.cost
        if key not in self._places or key in self._refused:
            self._places[key] = place
            (self._refused.add if entry.reply.problem else self._refused.discard)(key)

    def _read_on(self, path: Path) -> None:
        with path.open("rb") as stream:
            at = self._read.get(path, 0)
            stream.seek(at)
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # still being written, or cut short
                entry = read_entry(line)
                if entry is not None:
                    self._note(entry, (path, at))
                at += len(line)
            self._read[path] = at


class Forgetful:
    """A cache that keeps nothing: for replies that cost nothing, and that change when the program does."""

    spent = 0.0

    def refresh(self) -> None:
        """Read nothing."""

    def find(self, key: str) -> Reply | None:
        """Return None: nobody has asked yet."""
        return None

    def add(self, key: str, ask: Ask, sampling: Sampling, reply: Reply, cost: float) -> None:
        """Write nothing down."""


def read_entries(folder: str | Path) -> Iterator[Entry]:
    """Yield every line of a folder's logs. Raises VL2Error when there is none."""
    logs = sorted(Path(folder).glob("*.jsonl"))
    if not logs:
        raise VL2Error(str(folder), "no replies of a teacher here", do="Name the cache of a service file.")
    for path in logs:
        with path.open("rb") as stream:
            yield from filter(None, map(read_entry, stream))


def read_entry(line: bytes) -> Entry | None:
    """Return a line of a log; None of one that was cut short or is not ours."""
    try:
        record: dict[str, Any] = json.loads(line)
        reply = Reply(**{name: record["reply"][name] for name in _FIELDS})
        return Entry(key=str(record["key"]), model=str(record["model"]), prompt=str(record["prompt"]),
                     version=int(record["version"]), cost=float(record["cost"]), reply=reply)  # fmt: skip
    except (ValueError, TypeError, KeyError):
        return None


def _short(key: str) -> bytes:
    return bytes.fromhex(key)[:_KEY_BYTES]
