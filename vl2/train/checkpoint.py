"""Training checkpoints: whole or absent, as safetensors beside one JSON file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from vl2.core.errors import VL2Error


def save_checkpoint(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write a checkpoint beside `folder` and move it into place; an interrupted save leaves the old one whole."""
    fresh, old = folder.with_name(folder.name + ".incomplete"), folder.with_name(folder.name + ".old")
    if old.exists() and not folder.exists():  # killed between the two renames: it is all there is
        old.rename(folder)
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, fresh / "state.safetensors")
    (fresh / "state.json").write_text(json.dumps(state, indent=1))
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def has_checkpoint(folder: Path) -> bool:
    """Tell whether there is something to go on from."""
    return folder.exists() or folder.with_name(folder.name + ".old").exists()


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote. Raises VL2Error when there is none."""
    if not folder.exists() and folder.with_name(folder.name + ".old").exists():
        folder = folder.with_name(folder.name + ".old")  # killed between the two renames
    if not (folder / "state.safetensors").is_file():
        raise VL2Error(str(folder), "no checkpoint here", do="Run the earlier stage first.")
    return load_file(folder / "state.safetensors"), json.loads((folder / "state.json").read_text())
