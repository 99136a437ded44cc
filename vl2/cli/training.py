"""vl2 corpus, vl2 train, vl2 export: build data, run a recipe, make a model folder of a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

Assignments = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: name=value.")]


def corpus(
    recipe: Annotated[Path, typer.Argument(help="A corpus recipe, such as recipes/pocket/corpus.yaml.")],
    set_: Assignments = None,
    workers: Annotated[int, typer.Option(help="Processes that draw.")] = 2,
) -> None:
    """Draw the pictures that pocket learns from and is measured on."""
    from vl2.corpus.pocket.build import build_corpus

    typer.echo(f"Written to {build_corpus(recipe, set_ or [], workers)}.", err=True)


def train(
    recipe: Annotated[Path, typer.Argument(help="A training recipe, such as recipes/pocket/sft.yaml.")],
    set_: Assignments = None,
    processes: Annotated[int, typer.Option(help="Processes that share each step, one core each.")] = 1,
) -> None:
    """Run one stage of training; a run that was stopped goes on from its last checkpoint."""
    if processes == 1:
        from vl2.train.run import train as run

        run(recipe, set_ or [])
        return
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run([*launcher, "-m", "vl2.train", str(recipe), *(set_ or [])], check=False)
    raise typer.Exit(done.returncode)


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    folder: Annotated[Path, typer.Argument(help="The new model folder, in the official layout.")],
) -> None:
    """Write the last checkpoint of a run as a model folder."""
    from vl2.train.export import export as write

    write(run, folder)
    typer.echo(f"Written to {folder}.", err=True)
