"""Without a compiler every verb answers the same through PyTorch, and says so once."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from vl2.kernels.native.library import library

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from vl2.cli import main; main()"]
SIGN, SHAPES = str(ROOT / "examples" / "sign.png"), str(ROOT / "examples" / "shapes.png")
VERBS = {
    "ask": ["ask", SIGN, "What does the sign say?"],
    "read": ["read", SIGN],
    "detect": ["detect", SHAPES, "blue house"],
    "caption": ["caption", SHAPES],
}


def answer(words: list[str], **changed: str) -> tuple[str, str]:
    """Return what a process of its own writes to stdout and stderr."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **changed}
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=variables, check=True)
    return done.stdout, done.stderr


@cache
def quickly(verb: str) -> tuple[str, str]:
    return answer(VERBS[verb])


@pytest.mark.skipif(library() is None, reason="no C++ compiler")
@pytest.mark.parametrize("verb, missing", [("ask", "CXX"), *((verb, "PATH") for verb in VERBS)])
def test_the_same_answer_without_a_compiler(tmp_path: Path, verb: str, missing: str) -> None:
    said, quiet = quickly(verb)
    slowly, loud = answer(VERBS[verb], XDG_CACHE_HOME=str(tmp_path), **{missing: "/nonexistent"})
    assert said.strip()
    assert slowly == said
    assert "without native kernels" not in quiet
    assert loud.count("without native kernels") == 1
    assert "Install g++." in loud
    assert "Compiling" not in loud
