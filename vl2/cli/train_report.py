"""vl2 train report: the curves of a training run as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vl2.cli.guard import Debug


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a training run, finished or not.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("report.html"),
    debug: Debug = False,
) -> None:
    """Draw a run's curves, expert load and settings on one HTML page that loads nothing."""
    from vl2.train.watch.report import write_report

    typer.echo(f"Written to {write_report(run, out)}.", err=True)
