"""Where a benchmark lies below a folder, when it lies as the hub has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vl2.evaluation.task import Task

OWNERS = ("lmms-lab", "lmms-lab-encoder")  # the same mirrors under an old and a new name


def hub_folder(path: Path, task: Task) -> Path:
    """Return the folder of a task below one that holds repositories, and that of its config below a repository.

    A path that is laid out in another way comes back as it is.
    """
    owner, _, name = task.repository.partition("/")
    owners = OWNERS if owner in OWNERS else (owner,)
    places = [path / own / name for own in owners] if name else []
    path = next((place for place in places if place.is_dir()), path)
    return path / task.config if task.config and (path / task.config).is_dir() else path
