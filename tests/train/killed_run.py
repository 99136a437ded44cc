"""`torchrun .. -m tests.train.killed_run DIARIES RECIPE [name=value ..]`: a stage that writes down what it does."""

from __future__ import annotations

import json
import os
import random
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from vl2.core.settings import build, load_yaml, override
from vl2.data.stream import TrainingStream
from vl2.train.processes import process_group
from vl2.train.stage_run import build_stage
from vl2.train.train_config import TrainConfig
from vl2.train.watch import StepFigures


class Diary:
    """Stands in the place of a stream and notes its samples, exact losses, and a random number of each step."""

    def __init__(self, folder: Path, stream: TrainingStream) -> None:
        self.stream = stream
        self.path = folder / f"{dist.get_rank()}-{os.getpid()}.jsonl"
        self.path.touch()

    def __next__(self) -> Any:
        self.rows = next(self.stream)
        return self.rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def tell(self, figures: StepFigures) -> None:
        drawn = [random.random(), float(torch.rand(()))]
        line = {
            "step": figures.step, "loss": figures.loss.hex(), "norm": figures.grad_norm.hex(), "drawn": drawn,
            "ids": self.rows.ids,
        }  # fmt: skip
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def main() -> None:
    diaries, recipe, *assignments = sys.argv[1:]
    config = build(TrainConfig, override(load_yaml(recipe), assignments), thing=recipe)
    random.seed(config.seed)
    torch.manual_seed(config.seed)
    with process_group() as device, ExitStack() as opened:
        trainer = build_stage(config, device, opened)
        diary = Diary(Path(diaries), trainer.parts.stream)
        trainer.parts = replace(trainer.parts, stream=diary)  # type: ignore[arg-type]
        trainer.run(diary.tell)


if __name__ == "__main__":
    main()
