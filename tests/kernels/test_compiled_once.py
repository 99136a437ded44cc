"""The kernels are compiled once, which is said; where they cannot be, PyTorch computes, which is said once."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vl2.core.errors import VL2Error
from vl2.kernels.native import compiler

ROOT = Path(__file__).parents[2]
NOTICE = "Compiling the CPU kernels once, about 10 s.\n"
WARNING = "The CPU runs without native kernels"
COMPILE = "from vl2.kernels.native.compiler import compiled_library; print(compiled_library())"
ASK_TWICE = "from vl2.kernels.native.library import library; print(library(), library())"
# Waits until two of its kind are at work, so that neither can find what the other has made.
MEETING = """#!/bin/sh
[ "$1" = --version ] && exec {real} --version
touch "{folder}/$$.here"
for _ in $(seq 600); do [ $(ls "{folder}" | grep -c here) -ge 2 ] && exec {real} "$@"; sleep 0.1; done
exit 1
"""
FULL = """#!/bin/sh
[ "$1" = --version ] && echo full && exit 0
echo "fatal error: error writing to kernels.so: No space left on device" >&2
exit 1
"""


def environment(cache: Path, **changed: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache), **changed}


def python(code: str, variables: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def script(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def real_compiler() -> str:
    try:
        return compiler.find_compiler()
    except VL2Error:
        pytest.skip("no C++ compiler")


def test_two_processes_compile_at_once_and_a_third_finds_it(tmp_path: Path) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    slow = script(tmp_path / "c++", MEETING.format(real=real_compiler(), folder=meeting))
    variables = environment(tmp_path / "cache", CXX=slow, VL2_NATIVE_FLAGS="-O0")
    both = [process.communicate() for process in [python(COMPILE, variables) for _ in range(2)]]
    (made,) = (tmp_path / "cache" / "vl2" / "native").iterdir()  # and no draft beside it
    assert both == [(f"{made}\n", NOTICE)] * 2
    assert ctypes.CDLL(str(made)).vl2_set_threads
    assert python(COMPILE, variables).communicate() == (f"{made}\n", "")


def test_importing_says_nothing(tmp_path: Path) -> None:
    code = "import vl2, vl2.weights.pack, vl2.kernels.native.library"
    assert python(code, environment(tmp_path)).communicate() == ("", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cache", ["file", "/proc"])
def test_a_cache_that_cannot_be_written_is_said_once(tmp_path: Path, cache: str) -> None:
    real_compiler()
    (tmp_path / "file").touch()
    out, err = python(ASK_TWICE, environment(tmp_path / cache)).communicate()
    assert out == "None None\n"
    assert err.count(WARNING) == 1
    assert NOTICE not in err


def test_a_full_disk_is_said_once_and_leaves_nothing(tmp_path: Path) -> None:
    variables = environment(tmp_path / "cache", CXX=script(tmp_path / "c++", FULL))
    out, err = python(ASK_TWICE, variables).communicate()
    assert out == "None None\n"
    assert err.count(WARNING) == 1
    assert "No space left on device" in err
    assert not list((tmp_path / "cache" / "vl2" / "native").iterdir())


@pytest.mark.parametrize("text", ["", "#!/nonexistent/interpreter\n"], ids=["empty", "no interpreter"])
def test_a_compiler_that_does_not_start_is_said_once(tmp_path: Path, text: str) -> None:
    out, err = python(ASK_TWICE, environment(tmp_path / "cache", CXX=script(tmp_path / "c++", text))).communicate()
    assert out == "None None\n"
    assert err.count(WARNING) == 1


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(compiler.Path, "home", no_home)
    with pytest.raises(VL2Error, match="Set XDG_CACHE_HOME"):
        compiler.cache_folder()
