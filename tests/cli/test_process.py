"""What shows only in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from vl2.cli import main; main()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def test_help_is_quick_and_tells_exit_codes() -> None:
    before = os.times().children_user
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, env=ENVIRONMENT, check=True).stdout
    assert os.times().children_user - before < 0.6, "seconds of CPU; 0.2 on a quiet machine"
    assert "Exit codes: 0 ok, 1 a check failed, 2 bad input" in shown
    imported = subprocess.run(
        [sys.executable, "-c", "import vl2.cli, sys; print(sorted({'torch', 'numpy', 'PIL'} & sys.modules.keys()))"],
        capture_output=True, text=True, env=ENVIRONMENT, check=True,
    ).stdout  # fmt: skip
    assert imported == "[]\n"


def test_a_closed_pipe_is_quiet(image: str, folder: Path) -> None:
    command = [*COMMAND, "inspect", image, "--model", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141
