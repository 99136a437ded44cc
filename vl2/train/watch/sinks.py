"""Where lines go beside the log: TensorBoard where it is installed, Weights & Biases where it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from vl2.core.errors import ConfigError
from vl2.train.watch.line import LogLine

EVENTS = "tensorboard"  # the folder of its files in the run's folder


class Sink(Protocol):
    """Takes lines until it is closed."""

    def write(self, line: LogLine) -> None:
        """Take one."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


class TensorBoard:
    """Event files that `tensorboard --logdir RUN` shows; what a resume does again is dropped from its curves."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / EVENTS), purge_step=first_step + 1 if first_step else None)

    def write(self, line: LogLine) -> None:
        """Add every number of a line at its step."""
        for name, value in line.scalars().items():
            self._writer.add_scalar(name, value, line.step)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


class WeightsAndBiases:
    """One run of a project; a resumed run goes on in it."""

    def __init__(self, folder: Path, project: str, config: Mapping[str, Any]) -> None:
        if find_spec("wandb") is None:
            raise ConfigError("wandb", "not installed", do="pip install wandb, or leave the project's name out.")
        name = str(folder.resolve())
        self._run = import_module("wandb").init(
            project=project, name=folder.name, dir=str(folder), config=dict(config), resume="allow",
            id=hashlib.sha256(name.encode()).hexdigest()[:16],  # of the place, so that a resume finds it
        )  # fmt: skip

    def write(self, line: LogLine) -> None:
        """Send every number of a line at its step."""
        self._run.log(line.scalars(), step=line.step)

    def close(self) -> None:
        """End the run there."""
        self._run.finish()


def open_sinks(folder: Path, *, first_step: int, wandb_project: str, config: Mapping[str, Any]) -> list[Sink]:
    """Return those that are installed, and asked for where one has to. Raises ConfigError on one that is missing."""
    sinks: list[Sink] = [TensorBoard(folder, first_step)] if find_spec("tensorboard") is not None else []
    if wandb_project:
        sinks.append(WeightsAndBiases(folder, wandb_project, config))
    return sinks
