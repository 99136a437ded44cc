"""vl2 convert: what a run has learned as a model folder, and a model folder as the start of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vl2.cli.guard import Debug


def convert(
    source: Annotated[str, typer.Argument(help="A run, one snapshot of it, or a model: a folder or a hub name.")],
    folder: Annotated[Path, typer.Argument(help="The new folder.")],
    tokenizer: Annotated[
        str | None, typer.Option(help="Whose processor files to take, if not the run's.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Write a run's last checkpoint in the official layout, or a model in the official layout as a run's start."""
    from vl2.train.export import convert as write

    write(source, folder, tokenizer)
    typer.echo(f"Written to {folder}.", err=True)
