"""Launch a recipe on one machine: in this process, or in as many as its layout takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from vl2.core.errors import ConfigError
from vl2.core.settings import build, load_yaml, override
from vl2.train.run import train
from vl2.train.train_config import TrainConfig


def launch(recipe: Path, assignments: list[str], processes: int | None = None) -> None:
    """Train by a recipe. `processes` None: as many as its layout takes; above one, torchrun takes this one's place.

    Where torchrun has started this process already it is one of the run. Raises VL2Error on whatever the recipe
    names wrongly, or when this machine is too small for it.
    """
    if "WORLD_SIZE" in os.environ:
        train(recipe, assignments)
        return
    count = processes or _processes_of(override(load_yaml(recipe), assignments), str(recipe))
    if count == 1:
        train(recipe, assignments)
        return
    threads = max(1, (os.cpu_count() or 1) // count)
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}  # else torchrun gives each process one
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    command = [*launcher, "-m", "vl2.train", str(recipe), *assignments]
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # whoever stops this process stops all of them


def _processes_of(values: dict[str, Any], recipe: str) -> int:
    if "variant" not in values:
        return 1
    count = build(TrainConfig, values, thing=recipe).world_size
    room = torch.cuda.device_count() if torch.cuda.is_available() else os.cpu_count() or 1
    if count > room:
        kind = "GPUs" if torch.cuda.is_available() else "cores"
        raise ConfigError(
            recipe, f"its layout takes {count} processes", got=f"{room} {kind} here",
            do="Start it by torchrun on more machines (docs/training.md), or change it: --set dp_shard=1.",
        )  # fmt: skip
    return count
