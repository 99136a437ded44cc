"""Pace: at most so many requests a second, of all processes that share a folder together."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from pathlib import Path

LONGEST_DEBT_S = 60.0  # a time further ahead than this was written by a clock that was wrong


class Pace:
    """A file that holds the time from which on the next request may be made."""

    def __init__(self, folder: str | Path, per_s: float | None, *, now: Callable[[], float] = time.time,
                 sleep: Callable[[float], None] = time.sleep) -> None:  # fmt: skip
        self._path = Path(folder) / "pace"
        self._gap_s = 1 / per_s if per_s else 0.0
        self._now, self._sleep = now, sleep

    def wait(self) -> None:
        """Return when a request may be made."""
        if not self._gap_s:
            return
        with self._path.open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            now, told = self._now(), _number(stream.read(64))
            turn = max(now, told) if told - now < max(LONGEST_DEBT_S, 2 * self._gap_s) else now
            stream.seek(0)
            stream.truncate()
            stream.write(repr(turn + self._gap_s))
            stream.flush()
        if turn > now:
            self._sleep(turn - now)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # a new file, or one that a kill has emptied
