"""vl2 train dpo, vl2 train grpo: learn from answers that are preferred, or from answers that earn."""

from __future__ import annotations

from typing import Annotated

import typer

from vl2.cli.guard import Assignments, Debug
from vl2.cli.tuning import (
    Bits,
    Config,
    Epochs,
    EvalData,
    Model,
    Out,
    Rate,
    Samples,
    run_tuner,
    settings,
)
from vl2.core.errors import ConfigError

Lora = Annotated[int | None, typer.Option(min=1, help="Rank of the adapter.")]


def dpo(
    data: Annotated[list[str] | None, typer.Option(help="Pairs: rows with a rejected answer.")] = None,
    model: Model = None,
    out: Out = None,
    lora: Lora = None,
    bits: Bits = None,
    beta: Annotated[float | None, typer.Option(help="How dear it is to leave the model as it was.")] = None,
    eval_data: EvalData = None,
    epochs: Epochs = None,
    rate: Rate = None,
    config: Config = None,
    set_: Assignments = None,
    debug: Debug = False,
) -> None:
    """Make chosen answers likelier than rejected ones. A run that was stopped goes on where it was."""
    from vl2.train.tuning.preference_config import PreferenceConfig
    from vl2.train.tuning.preference_run import build_preference

    options = {"data": data, "model": model, "out": out, "rank": lora, "bits": bits, "beta": beta,
               "eval_data": eval_data, "epochs": epochs, "learning_rate": rate}  # fmt: skip
    run_tuner(build_preference(settings(PreferenceConfig, config, {"out": "runs/dpo"}, options, set_)))


def grpo(
    data: Samples = None,
    reward: Annotated[list[str] | None, typer.Option(help="iou, answer, number or format; NAME=WEIGHT.")] = None,
    group: Annotated[int | None, typer.Option(help="Answers to each question.")] = None,
    model: Model = None,
    out: Out = None,
    lora: Lora = None,
    bits: Bits = None,
    eval_data: EvalData = None,
    epochs: Epochs = None,
    rate: Rate = None,
    config: Config = None,
    set_: Assignments = None,
    debug: Debug = False,
) -> None:
    """Make answers that earn more than their siblings likelier. A run that was stopped goes on where it was."""
    from vl2.cli.rollouts import answer_by_engine
    from vl2.train.tuning.policy_config import PolicyConfig
    from vl2.train.tuning.policy_run import build_policy

    options = {"data": data, "rewards": read_rewards(reward), "group": group, "model": model, "out": out,
               "rank": lora, "bits": bits, "eval_data": eval_data, "epochs": epochs, "learning_rate": rate}  # fmt: skip
    found = settings(PolicyConfig, config, {"out": "runs/grpo", "rewards": {}}, options, set_)
    run_tuner(build_policy(found, answer_by_engine))


def read_rewards(given: list[str] | None) -> dict[str, float] | None:
    """Return the weights of `NAME` and `NAME=WEIGHT`. Raises ConfigError on a weight that is no number."""
    if given is None:
        return None
    weights: dict[str, float] = {}
    for one in given:
        name, sign, weight = one.partition("=")
        try:
            weights[name] = float(weight) if sign else 1.0
        except ValueError:
            raise ConfigError("--reward", "the weight is no number", got=one, expected="NAME=WEIGHT") from None
    return weights
