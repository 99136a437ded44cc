"""Compile the C++ kernels once for this machine and keep them in the user's cache."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from vl2.core.errors import VL2Error

SOURCES = Path(__file__).parent
FLAGS = (
    "-O3", "-march=native", "-std=c++17", "-fPIC", "-shared", "-pthread", "-Wall", "-Wextra",
    "-Wno-psabi", "-Wno-unknown-warning-option",  # vector types are passed between our own functions only
    "-Wno-uninitialized", "-Wno-maybe-uninitialized",  # the compiler's own intrinsics
)  # fmt: skip
COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_S = 600
# A warning, since nobody sees less unless asked for: without settings of its own a process writes it to stderr.
LOG = logging.getLogger(__name__)


def compiled_library() -> Path:
    """Return the shared library, compiled before or now. Raises VL2Error when it cannot be compiled."""
    compiler = find_compiler()
    extra = tuple(os.environ.get("VL2_NATIVE_FLAGS", "").split())
    try:
        target = cache_folder() / f"kernels-{_key(compiler, extra)}.so"
        if not target.is_file():
            _compile(compiler, extra, target)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VL2Error("CPU kernels", "could not be compiled", got=str(error)) from error
    return target


def find_compiler() -> str:
    """Return the C++ compiler: $CXX, or the first one on the path."""
    named = os.environ.get("CXX")
    for name in (named,) if named else COMPILERS:
        found = shutil.which(name)
        if found:
            return found
    raise VL2Error("C++ compiler", "not found", got=named or "none of " + ", ".join(COMPILERS), do="Install g++.")


def cache_folder() -> Path:
    """Return the folder of compiled libraries. Raises VL2Error for a user without a home."""
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(root) if root else Path.home() / ".cache") / "vl2" / "native"
    except RuntimeError as error:
        raise VL2Error("CPU kernels", "have no place", got=str(error), do="Set XDG_CACHE_HOME.") from error


def _key(compiler: str, extra: tuple[str, ...]) -> str:
    """Name a library after everything that shapes it: sources, flags, compiler and machine."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted((*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp"))):
        digest.update(path.read_bytes())
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False, timeout=TIMEOUT_S).stdout
    digest.update(version)
    digest.update(" ".join((*FLAGS, *extra, platform.machine(), instructions())).encode())
    return digest.hexdigest()


def instructions() -> str:
    """Return what tells processors apart: a home folder may be shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _compile(compiler: str, extra: tuple[str, ...], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / "kernels.so"
        command = [compiler, *FLAGS, *extra, str(SOURCES / "native.cpp"), "-o", str(made)]
        LOG.warning("Compiling the CPU kernels once, about 10 s.")
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S)
        if done.returncode:
            raise VL2Error("CPU kernels", "do not compile", got=_first_error(done.stderr), do=f"Run: {command}")
        made.replace(target)  # whole or not at all, whoever else compiles


def _first_error(text: str) -> str:
    lines = text.splitlines()
    return next((line for line in lines if "error" in line), lines[0] if lines else "no message")
