"""Run: code of strangers in a process of its own, and what it left behind."""

from __future__ import annotations

import atexit
import builtins
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from vl2.corpus.sandbox import guard
from vl2.corpus.sandbox.prepared import Prepared, unable

GUARD = Path(guard.__file__)
POLL_S = 0.02
MOST_FILES = 64  # that are looked at
CODE, OUTPUT, FONTS = "code.py", "output", ".matplotlib"
_PLACES = ("/usr", "/lib", "/lib64", "/etc/fonts", "/etc/localtime", "/etc/ld.so.cache", "/dev/urandom")
_PREPARED = Prepared()
_ISOLATED = ("-sP",)  # not -I, which ignores the seed of hashes: by it falls which of two fonts of one name is taken
_NAMESPACES = ("unshare", "--user", "--map-root-user", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child")


@dataclass(frozen=True, kw_only=True)
class Caps:
    """What code may use."""

    wall_s: float = 30.0
    cpu_s: int = 20
    memory_mb: int = 2048  # of addresses, libraries with them
    file_mb: int = 16  # of one file
    folder_mb: int = 64  # of all files together
    output_kb: int = 64  # of what is printed and kept


@dataclass(frozen=True)
class Ran:
    """What became of code: why it failed, or nothing; the end of what it printed, and its files."""

    problem: str
    output: str = ""
    files: dict[str, bytes] = field(default_factory=dict)


def run_code(code: str, caps: Caps | None = None) -> Ran:
    """Run Python code in an empty folder, without network and environment.

    Raises VL2Error where this machine cannot hold code.
    """
    caps = caps or Caps()
    with tempfile.TemporaryDirectory(prefix="vl2-sandbox-", ignore_cleanup_errors=True) as place:
        folder = Path(place) / "own"
        folder.mkdir()
        try:
            (Path(place) / CODE).write_text(code, encoding="utf-8")
        except UnicodeEncodeError:
            return Ran("not Unicode")
        if _fonts() is not None:
            shutil.copytree(str(_fonts()), folder / FONTS)
        return _run(Path(place), folder, caps)


def _run(place: Path, folder: Path, caps: Caps) -> Ran:
    mega = 1 << 20
    output = place / OUTPUT
    output.touch()
    request = {
        "code": str(place / CODE), "folder": str(folder), "output": str(output), "environment": _environment(folder),
        "cpu_s": caps.cpu_s, "memory": caps.memory_mb * mega, "file_size": caps.file_mb * mega,
        "readable": [*dict.fromkeys((sys.prefix, sys.base_prefix, *_PLACES)), str(place / CODE)],
    }  # fmt: skip

    def find_problem(seconds: float) -> str:
        if seconds > caps.wall_s:
            return "takes too long"
        return "writes too much" if _size_of(folder) > caps.folder_mb * mega else ""

    command = [*_prefix(), sys.executable, *_ISOLATED, str(GUARD)]
    problem, code = _PREPARED.run(command, _environment(Path("/"), _fonts()), request, find_problem, POLL_S)
    said = _tail(output, caps.output_kb << 10)
    if code == guard.UNABLE and said.startswith("guard: "):
        raise unable(said)
    if not problem and output.stat().st_size >= caps.file_mb * mega:
        problem = "says too much"
    if not problem and code:
        problem = _name_of(code, said)
    return Ran(problem, said, {} if problem else dict(_left(folder, caps.file_mb * mega)))


def _name_of(code: int, said: str) -> str:
    """Return what an exit code says, negative for a signal."""
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        return "takes too long"
    lines = said.strip().splitlines()
    error = lines[-1].partition(":")[0] if lines else ""
    if error == "MemoryError" or "ArrayMemoryError" in error:
        return "takes too much memory"
    kind = getattr(builtins, error, None)  # names of their own would be as many reasons as there are rows
    return f"raises {error}" if isinstance(kind, type) and issubclass(kind, Exception) else "fails"


def _left(folder: Path, most: int) -> Iterator[tuple[str, bytes]]:
    """Yield the plain files that lie in the folder itself; a link is not followed, a pipe not waited for."""
    for name in sorted(entry.name for entry in os.scandir(folder))[:MOST_FILES]:
        try:
            handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            os.close(handle)
            continue
        with os.fdopen(handle, "rb") as stream:
            yield name, stream.read(most)


def _size_of(folder: Path) -> int:
    size = 0
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            try:
                size += os.lstat(Path(root) / name).st_blocks * 512 + 4096  # a name takes room, too
            except OSError:
                continue
    return size


def _tail(path: Path, most: int) -> str:
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - most))
        return stream.read().decode("utf-8", "replace")


def _environment(folder: Path, fonts: Path | None = None) -> dict[str, str]:
    return {
        "HOME": str(folder), "TMPDIR": str(folder), "MPLCONFIGDIR": str(fonts or folder / FONTS), "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip


@cache
def _prefix() -> tuple[str, ...]:
    """Return what puts a process into namespaces of its own; nothing where that is not allowed."""
    if shutil.which(_NAMESPACES[0]) is None:
        return ()
    tried = subprocess.run([*_NAMESPACES, "true"], capture_output=True, check=False)
    return _NAMESPACES if tried.returncode == 0 else ()


@cache
def _fonts() -> Path | None:
    """Return the list of fonts that matplotlib makes on its first import; making it takes longer than a plot."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    place = Path(tempfile.mkdtemp(prefix="vl2-fonts-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    told = {**_environment(place, place), "PATH": os.defpath}  # it asks fc-list
    command = [sys.executable, *_ISOLATED, "-c", "import matplotlib.font_manager"]
    subprocess.run(command, env=told, check=False)
    return place
