"""Rivals: other programs that do the same work, each in a process of its own.

A rival reads one JSON request a line (the fields of a Measure) and answers each with one line: `seconds`, and
`cpu_s` and `disk_reads` of its process meanwhile. The first line it writes names the code that runs: `path` and
`versions`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import vl2
from vl2.cli.bench_contender import Contender
from vl2.cli.bench_measure import Measure, Quiet, Sample, take
from vl2.core.errors import VL2Error

BENCH = Path(vl2.__file__).parents[1] / "bench"  # in a checkout of the repository; a wheel does not bring it
QUIET_END_S = 5.0


class Rival:
    """The other end of a rival's pipes. Raises VL2Error when it does not start or ends early."""

    def __init__(self, name: str, command: Sequence[str], *, threads: int) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close
        package = os.pathsep.join(filter(None, (str(BENCH.parent), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [*command, "--threads", str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            text=True, env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": package},
        )  # fmt: skip
        hello = self._read()
        self.path: str = hello["path"]
        self.versions: dict[str, str] = hello["versions"]

    def __enter__(self) -> Rival:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, measure: Measure) -> Sample:
        """Have one sample measured."""
        quiet = Quiet()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asdict(measure)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        answer = self._read()
        others = quiet.others(answer["cpu_s"])
        return Sample(seconds=answer["seconds"], others=others, disk_reads=answer["disk_reads"])

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(QUIET_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> VL2Error:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return VL2Error(self.name, f"ended early with exit code {code}", got=said[-1] if said else None)


def baseline(preset: str, *, threads: int) -> Rival:
    """Start the plain PyTorch baseline of bench/."""
    return Rival("baseline", [sys.executable, _script("official_style.py"), preset], threads=threads)


def llama_cpp(python: str, model: Path, *, threads: int) -> Rival:
    """Start llama.cpp, in a Python that has llama_cpp, on a GGUF file."""
    return Rival("llama.cpp", [python, _script("peer_llama_cpp.py"), str(model)], threads=threads)


def answer_requests(contender: Contender, *, tile_size: int, vocab_size: int) -> None:
    """Be a rival: answer requests on stdin until it ends."""
    import torch

    print(json.dumps({"path": contender.path, "versions": {"torch": torch.__version__}}), flush=True)
    for line in sys.stdin:
        measure = Measure(**json.loads(line))
        before = time.process_time()
        sample = take(contender, measure, tile_size, vocab_size)
        reply = {"seconds": sample.seconds, "cpu_s": time.process_time() - before, "disk_reads": sample.disk_reads}
        print(json.dumps(reply), flush=True)


def _script(name: str) -> str:
    path = BENCH / name
    if not path.is_file():
        raise VL2Error(str(path), "is missing", do="Rivals run from a checkout of the repository.")
    return str(path)
