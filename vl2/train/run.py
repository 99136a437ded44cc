"""Train by a recipe: a stage of the paper, or one of pocket's."""

from __future__ import annotations

from pathlib import Path

from vl2.core.settings import build, load_yaml, override
from vl2.train.pocket.config import RunConfig
from vl2.train.pocket.run import train_pocket
from vl2.train.stage_run import train_stage
from vl2.train.train_config import TrainConfig


def train(recipe: str | Path, assignments: list[str]) -> None:
    """Run one recipe, alone or as one of torchrun's processes. Raises VL2Error on whatever it names wrongly.

    One that names a `variant` is a stage of the paper; the others are those of pocket.
    """
    values = override(load_yaml(recipe), assignments)
    if "variant" in values:
        train_stage(build(TrainConfig, values, thing=str(recipe)))
    else:
        train_pocket(build(RunConfig, values, thing=str(recipe)), str(recipe))
