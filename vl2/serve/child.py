"""Child: a program that runs as long as we do, its last words at hand."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

from vl2.core.errors import VL2Error

NUM_LAST_LINES, LONGEST_TAIL = 8, 1500
LONGEST_LINE = 4096
STOP_S = 30.0
SET_PARENT_DEATH_SIGNAL = 1  # of Linux' prctl


class Child:
    """A started program. Its output goes on to our stderr."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Start it in a session of its own: a key press that stops us does not reach it. Raises VL2Error."""
        self.name = name
        self._last: deque[str] = deque(maxlen=NUM_LAST_LINES)
        try:
            self._process = subprocess.Popen(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_die_with_parent(),
            )  # fmt: skip
        except OSError as error:
            raise VL2Error(name, "cannot be started", got=error.strerror) from None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Return the end of its output in one line."""
        if not self.is_running:
            self._reader.join(1.0)
        return " | ".join(self._last)[-LONGEST_TAIL:]

    def ended(self) -> VL2Error:
        """Return what there is to say of a child that has ended by itself."""
        code = self._process.poll()
        return VL2Error(self.name, "has ended", got=f"exit code {code}: {self.last_words()}")

    def stop(self) -> None:
        """Ask it to end, and end it with all it has started when it does not."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self._signal(signal.SIGKILL)  # also what it has left behind
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := stream.readline(LONGEST_LINE):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            if text := line.decode("utf-8", "replace").strip():
                self._last.append(text)


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a new child calls, so that it does not keep the GPU when we are killed; Linux alone can."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)  # before the fork: behind it nothing may be loaded
    return lambda: library.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
