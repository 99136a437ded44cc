"""Progress: how many answers there are, how quickly they come, how long the rest takes, and the score so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

PLAIN_EVERY_S, DRAWN_EVERY_S = 10.0, 0.5  # lines in a log file; one line that is drawn again on a terminal


class Progress:
    """Tell on stderr; on a terminal in one line that is drawn again."""

    def __init__(
        self, name: str, total: int, done: int, score: Callable[[], float | None], stream: TextIO | None = None
    ) -> None:
        """Begin with `done` of `total` answers; `score` says what they are worth, when it is asked."""
        self.name, self.total, self.done, self.num_errors = name, total, done, 0
        self._score, self._stream = score, sys.stderr if stream is None else stream
        self._num_before, self._started = done, time.monotonic()
        self._told = self._started
        self._live = None
        if self._stream.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(self.line(), console=Console(file=self._stream), auto_refresh=False, transient=True)
            self._live.start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        print(self.line(), file=self._stream, flush=True)

    def add(self, *, is_error: bool = False) -> None:
        """Count one more answer."""
        self.done += 1
        self.num_errors += is_error
        now = time.monotonic()
        if now - self._told < (PLAIN_EVERY_S if self._live is None else DRAWN_EVERY_S):
            return
        self._told = now
        if self._live is None:
            print(self.line(), file=self._stream, flush=True)
        else:
            self._live.update(self.line(), refresh=True)

    def line(self) -> str:
        """Return what is known now."""
        seconds, new = time.monotonic() - self._started, self.done - self._num_before
        words = f"{self.name}: {self.done}/{self.total}"
        if new and seconds > 0:
            words += f", {new / seconds:.2f}/s"
            if self.done < self.total:
                words += f", {_duration((self.total - self.done) * seconds / new)} left"
        score = self._score()
        if score is not None:
            words += f", score {score:.2f}"
        return words + (f", {self.num_errors} errors" if self.num_errors else "")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
