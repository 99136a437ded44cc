"""Checkpoints that tests may damage: copies of the recorded ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
NAMES = ("a_tiny_mha", "b_small_mla", "c_base_noaux", "d_qlora_yarn_group")


def copy_checkpoint(directory: Path, name: str = "b_small_mla") -> Path:
    return Path(shutil.copytree(RECORDED / name / "checkpoint", directory / name))


def change_tensors(checkpoint: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    file = checkpoint / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def change_json(file: Path, change: Callable[[dict], None]) -> None:
    values = json.loads(file.read_text(encoding="utf-8"))
    change(values)
    file.write_text(json.dumps(values), encoding="utf-8")
