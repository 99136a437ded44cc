"""vl2 train, vl2 merge: run a recipe, teach a model something new, add what it learned to the model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vl2.cli.guard import remember_debug

if TYPE_CHECKING:
    from vl2.train.tuner import Progress, Tuner

Assignments = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: name=value.")]

app = typer.Typer(no_args_is_help=True, help="Train a model: the paper's stages, or something new.")


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="A training recipe, such as recipes/pocket/sft.yaml.")],
    set_: Assignments = None,
    processes: Annotated[int, typer.Option(help="Processes that share each step, one core each.")] = 1,
) -> None:
    """Run one stage of training; a run that was stopped goes on from its last checkpoint."""
    if processes == 1:
        from vl2.train.run import train

        train(recipe, set_ or [])
        return
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run([*launcher, "-m", "vl2.train", str(recipe), *(set_ or [])], check=False)
    raise typer.Exit(done.returncode)


@app.command()
def finetune(
    data: Annotated[list[str] | None, typer.Option(help="Samples: a file or a folder; see docs/training.md.")] = None,
    model: Annotated[str | None, typer.Option(help="pocket, a folder or a hub name.")] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="The folder of this run.")] = None,
    lora: Annotated[int | None, typer.Option(min=0, help="Rank of the adapter; 0 moves the weights.")] = None,
    bits: Annotated[int | None, typer.Option(help="Keep the frozen weights in 8 or 4 bits.")] = None,
    eval_data: Annotated[list[str] | None, typer.Option(help="Samples to look at; else a tenth of the data.")] = None,
    replay: Annotated[list[str] | None, typer.Option(help="Older samples, so that they are not forgotten.")] = None,
    epochs: Annotated[float | None, typer.Option(help="How often each sample is seen.")] = None,
    rate: Annotated[float | None, typer.Option(help="The learning rate.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with any of the settings by name.")] = None,
    set_: Assignments = None,
    debug: Annotated[bool, typer.Option("--debug", callback=remember_debug, help="Show traces of errors.")] = False,
) -> None:
    """Teach a model something new from your samples. A run that was stopped goes on where it was."""
    from vl2.core.settings import build, load_yaml, override
    from vl2.train.finetune_config import FinetuneConfig
    from vl2.train.finetune_run import build_finetuner

    options: dict[str, Any] = {
        "data": data, "model": model, "out": out, "rank": lora, "bits": bits, "replay": replay, "epochs": epochs,
        "learning_rate": rate, "eval_data": eval_data,
    }  # fmt: skip
    values = load_yaml(config) if config is not None else {"data": (), "out": "runs/finetune"}
    values |= {name: value for name, value in options.items() if value is not None}
    run_tuner(build_finetuner(build(FinetuneConfig, override(values, set_ or []), thing="finetune")))


def run_tuner(tuner: Tuner) -> None:
    """Run a tuning and say where its best is."""
    best = tuner.run(show_progress)
    for reason, number in tuner.lesson.skipped.items():
        typer.echo(f"{number} times a sample was left out: {reason}.", err=True)
    typer.echo(f"The best is that of step {tuner.standing.best_step}: {best}", err=True)
    flag = "--adapter" if tuner.config.rank else "--model"
    typer.echo(f'vl2 ask IMAGE "QUESTION" {flag} {best}', err=True)


def show_progress(progress: Progress) -> None:
    """Write a line whenever held-out samples were looked at."""
    if progress.look is None:
        return
    learned, held_out = (
        ", ".join(f"{name} {value:.3f}" for name, value in measures.items())
        for measures in (progress.measures, progress.look.measures)
    )
    typer.echo(f"step {progress.step} of {progress.num_steps}: {learned}; held out: {held_out}", err=True)


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
