"""Guard: gives up everything that a plot does not need, then runs a file. It runs as a process of its own.

    python -sP guard.py

It imports what nearly every plot imports, says `ready`, and takes requests: a line of JSON each. For each it forks a
process that is held before it sees the code, and answers with that one's exit code. Of one request nothing is left for
the next. When nobody listens any more, what runs is killed.

The forked process keeps reading the places it is told, writing its own folder, and computing. Limits are those of
setrlimit; files are held by Landlock, everything else by a seccomp filter on system calls, both from within, without
privileges, and both for good. Where the kernel lacks one of them nothing is run. Imports nothing of ours: no code of
ours is within reach of what it runs.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import importlib
import json
import os
import platform
import resource
import runpy
import select
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

UNABLE = 70  # the exit code of a guard that cannot hold what it runs
MOST_FIGURES = 4
READY = b"ready\n"
PREPARED = ("numpy", "matplotlib.pyplot", "matplotlib.backends.backend_agg", "PIL.PngImagePlugin")

# --- Landlock (linux/landlock.h): rights on files below a folder -----------------------------------------------------
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights a version of Landlock knows
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_WRITE = 1 << 1 | 1 << 14  # write to a file, truncate
_IN_OWN_FOLDER = _READ_FILE | _READ_DIR | _WRITE | 1 << 5 | 1 << 7 | 1 << 8  # and remove, make folders and files
_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals

# --- seccomp (linux/seccomp.h, linux/filter.h), system calls of x86-64 ----------------------------------------------
_ARCHITECTURE = 0xC000003E
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _SET, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_CLONE, _CLONE3, _PRLIMIT64, _CLONE_THREAD, _X32 = 56, 435, 302, 0x10000, 0x40000000
_FORBIDDEN = {
    "sockets": (41, 53),
    "programs": (57, 58, 59, 322),
    "other processes": (62, 101, 109, 112, 129, 200, 234, 297, 310, 311, 424, 434, 438, 440, 448),
    "mounts and namespaces": (155, 161, 165, 166, 272, 308, 428, 429, 430, 431, 432, 442),
    "owners, modes, times and attributes": (
        90, 91, 92, 93, 94, 132, 188, 189, 190, 197, 198, 199, 235, 260, 261, 268, 280, 452, 463,
    ),
    "memory that outlives the process": (29, 64, 68, 240),
    "the kernel": (
        103, 135, 153, 159, 163, 164, 167, 168, 169, 170, 171, 172, 173, 175, 176, 179, 227, 246, 248, 249, 250, 298,
        304, 305, 313, 320, 321, 323, 425, 426, 427,
    ),
    "limits": (160,),
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


class UnableError(Exception):
    """Something that cannot be given up here."""


def limit(cpu_s: int, memory: int, file_size: int) -> None:
    """Set the limits of the process."""
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 256),
    ):  # fmt: skip
        resource.setrlimit(kind, (most, most))


def drop_privileges() -> None:
    """Give up all capabilities, and the way to new ones. Raises UnableError."""
    if _libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        raise UnableError("no_new_privs")
    for capability in range(64):
        _libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; fails on those that there are not
    header = struct.pack("=Ii", 0x20080522, 0)
    if _libc.syscall(126, header, bytes(24)):  # capset
        raise UnableError("capset")


def hold_files(folder: str, readable: list[str]) -> None:
    """Let the process write its folder and read some places, nothing else. Raises UnableError."""
    version = _libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        raise UnableError("Landlock")
    rights = (1 << _RIGHTS_BY_VERSION[min(version, 5)]) - 1
    attributes = struct.pack("=QQQ", rights, _TCP, _SCOPES)
    attributes = attributes[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        raise UnableError("Landlock")
    places = [(path, _READ_FILE | _READ_DIR) for path in readable if Path(path).exists()]
    for path, allowed in (*places, (folder, _IN_OWN_FOLDER), ("/dev/null", _READ_FILE | _WRITE)):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not Path(path).is_dir():
            allowed &= _READ_FILE | _WRITE
        rule = struct.pack("=Qi", allowed & rights, place)
        if _libc.syscall(_ADD_RULE, ruleset, 1, rule, 0):
            raise UnableError(f"Landlock, {path}")
        os.close(place)
    if _libc.syscall(_RESTRICT_SELF, ruleset, 0):
        raise UnableError("Landlock")
    os.close(ruleset)


def hold_calls() -> None:
    """Refuse the system calls that a plot does not need. Raises UnableError."""
    if platform.machine() != "x86_64":
        raise UnableError(f"seccomp on {platform.machine()}")

    def fail(number: int) -> tuple[int, int, int, int]:
        return (_RETURN, 0, 0, _FAIL | number)

    number, architecture, first, third = 0, 4, 16, 32  # where they stand in struct seccomp_data
    program = [
        (_LOAD, 0, 0, architecture), (_EQUAL, 1, 0, _ARCHITECTURE), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, number),
        (_AT_LEAST, 0, 1, _X32), fail(errno.ENOSYS),
        (_EQUAL, 0, 1, _CLONE3), fail(errno.ENOSYS),  # the C library then uses clone, whose flags can be read
        (_EQUAL, 0, 4, _CLONE), (_LOAD, 0, 0, first), (_SET, 1, 0, _CLONE_THREAD), fail(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
        (_EQUAL, 0, 6, _PRLIMIT64), (_LOAD, 0, 0, third), (_EQUAL, 0, 3, 0), (_LOAD, 0, 0, third + 4),
        (_EQUAL, 0, 1, 0), (_RETURN, 0, 0, _ALLOW), fail(errno.EPERM),  # limits may be read
    ]  # fmt: skip
    for forbidden in sorted(call for calls in _FORBIDDEN.values() for call in calls):
        program += [(_EQUAL, 0, 1, forbidden), fail(errno.EPERM)]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    told = struct.pack("@HP", len(program), ctypes.addressof(code))
    if _libc.prctl(22, 2, ctypes.c_char_p(told), 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise UnableError("seccomp")


def save_figures() -> None:
    """Write the figures that were left open, as `figure-0.png`, .."""
    plots = sys.modules.get("matplotlib.pyplot")
    if plots is None:
        return
    for place, number in enumerate(plots.get_fignums()[:MOST_FIGURES]):
        plots.figure(number).savefig(f"figure-{place}.png", dpi=100)


def serve() -> dict[str, Any]:
    """Answer requests; return, with its request, only in the processes that are forked for them."""
    for name in PREPARED:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # collecting would copy the pages of all that was imported
    os.write(1, READY)
    while line := _read_line(0):
        process = os.fork()
        if process == 0:
            return _enter(json.loads(line))
        os.write(1, f"{_wait(process)}\n".encode())
    sys.exit()


def _read_line(handle: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        if not (read := os.read(handle, 1 << 16)):
            return b""
        line += read
    return line


def _wait(process: int) -> int:
    """Return the exit code of a process, negative for a signal; kill it when nobody listens any more."""
    end = os.pidfd_open(process)
    ready, _, _ = select.select([0, end], [], [])
    if end not in ready:
        os.kill(process, signal.SIGKILL)
    os.close(end)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _enter(request: dict[str, Any]) -> dict[str, Any]:
    """Leave everything behind that belongs to the process that forked this one."""
    for path, flags, handles in (("/dev/null", os.O_RDONLY, (0,)), (request["output"], os.O_WRONLY, (1, 2))):
        opened = os.open(path, flags)
        for handle in handles:
            os.dup2(opened, handle)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    return request


def main() -> None:
    """Hold this process, run the file of its request, save its figures."""
    request = serve()
    try:
        limit(request["cpu_s"], request["memory"], request["file_size"])
        drop_privileges()
        hold_files(request["folder"], request["readable"])
        hold_calls()
    except (UnableError, OSError, ValueError) as error:
        sys.stderr.write(f"guard: {error}\n")
        sys.stderr.flush()
        os._exit(UNABLE)
    sys.argv = [request["code"]]
    runpy.run_path(request["code"], run_name="__main__")
    save_figures()
    sys.stdout.flush()
    os._exit(0)  # taking down all that was imported takes as long as a plot


if __name__ == "__main__":
    main()
