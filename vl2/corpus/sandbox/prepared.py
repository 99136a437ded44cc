"""Prepared: an interpreter with its imports done, that forks a held process for each code. A process of ours has one.

A plot takes 0.08 s of processor time, the imports before it 0.4: they are made once, before there is any code.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from vl2.core.errors import VL2Error
from vl2.corpus.sandbox.guard import READY

START_S = 60.0  # imports from a cold disk take long


class Prepared:
    """One interpreter, started when it is first asked and again after it was ended. Threads take turns."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._made_by: tuple[object, ...] = ()
        self._turn = threading.Lock()
        atexit.register(self.end)

    def run(self, command: Sequence[str], environment: Mapping[str, str], request: Mapping[str, Any],
            find_problem: Callable[[float], str], poll_s: float) -> tuple[str, int]:  # fmt: skip
        """Return why a request had to be ended, if so, and its exit code, negative for a signal.

        `find_problem` is asked every `poll_s`, with the seconds since the request was made.
        Raises VL2Error where the interpreter does not start.
        """
        with self._turn:
            replies, requests = self._open(command, environment)
            try:
                requests.write(json.dumps(request).encode() + b"\n")
                requests.flush()
                begun = time.monotonic()
                while not (problem := find_problem(time.monotonic() - begun)):
                    if select.select([replies], [], [], poll_s)[0]:
                        return "", int(replies.readline())
            except (OSError, ValueError):
                problem = "takes too long, or crashes"  # the interpreter itself is gone
            except BaseException:
                self.end()
                raise
            self.end()
            return problem, -signal.SIGKILL

    def end(self) -> None:
        """End the interpreter and what it runs."""
        process, self._process = self._process, None
        if process is None or self._made_by[0] != os.getpid():
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _open(self, command: Sequence[str], environment: Mapping[str, str]) -> tuple[IO[bytes], IO[bytes]]:
        """Return the pipes for replies and requests of an interpreter that is ready."""
        made_by = (os.getpid(), *command)
        if self._process is None or self._made_by != made_by or self._process.poll() is not None:
            self.end()
            self._made_by = made_by
            self._process = subprocess.Popen(
                command, cwd="/", env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=True, bufsize=0,
            )  # fmt: skip
            self._await_ready(self._process)
        assert self._process.stdout is not None and self._process.stdin is not None
        return self._process.stdout, self._process.stdin

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None and process.stderr is not None
        end, said = time.monotonic() + START_S, b""
        while said != READY and select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            if not (read := process.stdout.read(len(READY) - len(said))):
                break
            said += read
        if said == READY:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        told = process.stderr.read().decode("utf-8", "replace")
        self.end()
        raise unable(told)


def unable(said: str) -> VL2Error:
    """Return the error of a machine that cannot hold code, with what the guard said."""
    do = "Use a Linux kernel with Landlock and seccomp (5.13 or newer, x86-64)."
    return VL2Error("sandbox", f"this machine cannot hold code: {said.strip()[:80]}", do=do)
