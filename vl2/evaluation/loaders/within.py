"""Paths that data files name: below the folder of the file, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from vl2.core.errors import VL2Error


def inside(folder: Path, name: str) -> Path:
    """Return the path of a name within a folder. Raises VL2Error when it leads out of it."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise VL2Error("image path", "leads out of the folder of its file", got=repr(name)[:80])
    return path
