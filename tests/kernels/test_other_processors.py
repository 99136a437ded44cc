"""The same tests of the kernels hold as compiled for processors with fewer instructions than this one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from vl2.kernels.native.library import library

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(library() is None, reason="no C++ compiler"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not an x86-64 processor"),
]


@pytest.mark.parametrize("machine", ["haswell", "x86-64"])  # AVX2 without AVX-512, and neither
def test_kernels_compiled_for(machine: str) -> None:
    here = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    if machine == "haswell" and "avx2" not in here:
        pytest.skip("no AVX2")
    if machine == "haswell" and "avx512f" not in here:
        pytest.skip("this processor is one: the tests themselves show it")
    files = ["tests/kernels/test_native.py", "tests/kernels/test_learned_attention.py", "tests/weights/test_pack.py"]
    command = [sys.executable, "-m", "pytest", "-q", *files]
    variables = {**os.environ, "VL2_NATIVE_FLAGS": f"-march={machine}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout.splitlines()[-1], done.stdout[-500:]
