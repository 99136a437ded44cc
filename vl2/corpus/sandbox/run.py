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
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.corpus.sandbox import guard

GUARD = Path(guard.__file__)
POLL_S = 0.02
MOST_FILES = 64  # that are looked at
CODE, OUTPUT, FONTS = "code.py", "output", ".matplotlib"
_PLACES = ("/usr", "/lib", "/lib64", "/etc/fonts", "/etc/localtime", "/etc/ld.so.cache", "/dev/urandom")
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
    limits = [str(caps.cpu_s), str(caps.memory_mb * mega), str(caps.file_mb * mega)]
    readable = [*dict.fromkeys((sys.prefix, sys.base_prefix, *_PLACES)), str(place / CODE)]
    command = [*_prefix(), sys.executable, "-I", str(GUARD), str(place / CODE), *limits, *readable]
    with (place / OUTPUT).open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        problem = _watch(process, folder, caps)
    said = _tail(place / OUTPUT, caps.output_kb << 10)
    if process.returncode == guard.UNABLE and said.startswith("guard: "):
        do = "Use a Linux kernel with Landlock and seccomp (5.13 or newer, x86-64)."
        raise VL2Error("sandbox", f"this machine cannot hold code: {said.strip()[:80]}", do=do)
    if not problem and (place / OUTPUT).stat().st_size >= caps.file_mb * mega:
        problem = "says too much"
    if not problem and process.returncode:
        problem = _name_of(process.returncode, said)
    return Ran(problem, said, {} if problem else dict(_left(folder, caps.file_mb * mega)))


def _watch(process: subprocess.Popen[bytes], folder: Path, caps: Caps) -> str:
    """Wait for the end; return why it had to be brought about, if so. Nothing of the process is left."""
    end, problem = time.monotonic() + caps.wall_s, ""
    try:
        while process.poll() is None and not problem:
            if time.monotonic() > end:
                problem = "takes too long"
            elif _size_of(folder) > caps.folder_mb << 20:
                problem = "writes too much"
            time.sleep(POLL_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return problem


def _name_of(code: int, said: str) -> str:
    """Return what an exit code says; in a namespace signals come as 128 and more."""
    number = -code if code < 0 else code - 128
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return "takes too long"
    lines = said.strip().splitlines()
    error = lines[-1].partition(":")[0] if lines else ""
    if error == _NAMESPACES[0]:  # it tells that what it ran was killed, in words of its own
        return "takes too long, or crashes"
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


def _environment(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder), "TMPDIR": str(folder), "MPLCONFIGDIR": str(folder / FONTS), "MPLBACKEND": "Agg",
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
    told = {**os.environ, "MPLCONFIGDIR": str(place)}
    subprocess.run([sys.executable, "-I", "-c", "import matplotlib.font_manager"], env=told, check=False)
    return place
