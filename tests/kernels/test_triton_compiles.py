"""The Triton kernels compile to machine code for real cards, on a machine that has none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed; it comes with the extra `dev` on Linux")

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("arch", "num_tokens"), [(80, 1), (90, 256)])  # decode on an A100, prefill on an H100
def test_every_kernel_compiles_and_fits(arch: int, num_tokens: int, tmp_path: Path) -> None:
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-m", "tests.kernels.compile_triton", str(arch), str(num_tokens)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    compiled = [line.split()[0] for line in result.stdout.splitlines()]
    assert sorted(set(compiled)) == ["_attend_part", "_down", "_gate_up", "_join", "_linear", "_sort"]
    assert compiled.count("_down") == 3  # numbers and codes of 8 and 4 bits
