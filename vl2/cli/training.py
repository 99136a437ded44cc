"""vl2 train, vl2 merge: run a recipe, teach a model something new, add what it learned to the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vl2.cli import train_preference
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

app = typer.Typer(no_args_is_help=True, help="Train a model: the paper's stages, or something new.")


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="A training recipe, such as recipes/pocket/sft.yaml.")],
    set_: Assignments = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that share each step; else as many as the layout takes.")
    ] = None,
) -> None:
    """Run one stage of training; a run that was stopped goes on from its last checkpoint."""
    from vl2.train.launch import launch

    launch(recipe, set_ or [], processes)


@app.command()
def finetune(
    data: Samples = None,
    model: Model = None,
    out: Out = None,
    lora: Annotated[int | None, typer.Option(min=0, help="Rank of the adapter; 0 moves the weights.")] = None,
    bits: Bits = None,
    eval_data: EvalData = None,
    replay: Annotated[list[str] | None, typer.Option(help="Older samples, so that they are not forgotten.")] = None,
    epochs: Epochs = None,
    rate: Rate = None,
    config: Config = None,
    set_: Assignments = None,
    debug: Debug = False,
) -> None:
    """Teach a model something new from your samples. A run that was stopped goes on where it was."""
    from vl2.train.tuning.finetune_config import FinetuneConfig
    from vl2.train.tuning.finetune_run import build_finetuner

    options = {"data": data, "model": model, "out": out, "rank": lora, "bits": bits, "replay": replay,
               "epochs": epochs, "learning_rate": rate, "eval_data": eval_data}  # fmt: skip
    run_tuner(build_finetuner(settings(FinetuneConfig, config, {"out": "runs/finetune"}, options, set_)))


for verb in (train_preference.dpo, train_preference.grpo):
    app.command()(verb)


def merge(
    adapter: Annotated[Path, typer.Argument(help="The adapter's folder.")],
    folder: Annotated[Path, typer.Argument(help="The new model folder, in the official layout.")],
    model: Annotated[str, typer.Option(help="The model that it was trained on.")] = "pocket",
) -> None:
    """Write a model with an adapter merged into its weights."""
    from vl2.weights import find_checkpoint, load_model, save_model
    from vl2.weights.adapter import load_adapter
    from vl2.weights.adapter import merge as add

    source = find_checkpoint(model)
    loaded = load_model(source)
    add(loaded, load_adapter(adapter, loaded))
    save_model(loaded, folder, companions=source)
    typer.echo(f"Written to {folder}.", err=True)
