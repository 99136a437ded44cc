"""vl2 serve, before it listens."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_FASTAPI = "import sys; sys.modules['fastapi'] = None; from vl2.cli import main; main()"


def test_what_is_not_installed_is_named_with_what_to_do() -> None:
    command = [sys.executable, "-c", WITHOUT_FASTAPI, "serve"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "serve: needs more packages (got fastapi). pip install 'vl2[serve]'\n"
