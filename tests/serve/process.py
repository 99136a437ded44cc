"""`vl2 serve` as a process of its own, as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

READY_S = 120.0
CALL = "import sys; sys.argv[0] = 'vl2'; from vl2.cli import main; main()"


@dataclass
class Served:
    """A process that serves."""

    process: subprocess.Popen[str]
    address: str

    def stop(self) -> tuple[int, str]:
        """Ask it to end; return its exit code and what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=READY_S)
        return self.process.returncode, output


def start(*arguments: str, **environment: str) -> Served:
    """Start `vl2 serve` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, "serve", *arguments, "--port", str(port)], env=os.environ | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return Served(process, f"http://127.0.0.1:{port}")


@contextmanager
def serving_process(*arguments: str, **environment: str) -> Iterator[Served]:
    """Run `vl2 serve` until the block ends; it is ready when the block begins."""
    served = start(*arguments, **environment)
    try:
        wait_for(served, "/ready", 200)
        yield served
    finally:
        served.stop()


def wait_for(served: Served, path: str, status: int) -> None:
    """Wait until an address answers with a status."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert served.process.poll() is None, served.process.communicate()[0]
        try:
            if httpx.get(served.address + path, timeout=READY_S).status_code == status:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{path} does not answer with {status}")
