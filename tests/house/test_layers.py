"""Packages import only what stands below them (pyproject.toml, tool.importlinter)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the vl2 package in `folder` by the contract that stands in its pyproject.toml."""
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_package_keeps_its_layers():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("importer", "imported", "is_kept"),
    [
        ("model", "core", True),
        ("core", "model", False),
        ("train", "engine", False),
        ("weights", "processor", False),
        ("serve", "corpus", False),
        ("cli", "serve", True),
        ("elsewhere", "core", False),
    ],
)
def test_the_contract_catches_imports_that_break_it(tmp_path, importer, imported, is_kept):
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for package, text in (("", ""), (importer, f"import vl2.{imported}\n"), (imported, "")):
        folder = tmp_path / "vl2" / package
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text(text)
    result = lint(tmp_path)
    assert (result.returncode == 0) is is_kept, result.stdout + result.stderr
