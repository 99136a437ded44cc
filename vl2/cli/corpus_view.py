"""vl2 corpus report and view: runs as one page, and their rows in the browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vl2.cli.guard import Debug
from vl2.core.errors import VL2Error

FEW, MANY = 4, 8  # rows shown of each kind: of several runs, of one


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of corpus runs.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; report.html in the run, or in the folder of all runs.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=0, help="Rows shown of the kept, and of each reason; 8, of several runs 4.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Write one HTML page: runs, rows by step, reasons, histograms, rows with pictures and boxes, licences, languages.

    Among several folders, those that hold no finished run are left out.
    """
    from vl2.corpus.report import write_report
    from vl2.corpus.stored import open_run

    runs = []
    for folder in folders:
        try:
            open_run(folder)
            runs.append(folder)
        except VL2Error as error:
            if len(folders) == 1:
                raise
            typer.echo(f"Left out: {error}", err=True)
    if not runs:
        raise VL2Error("report", "none of the folders holds a finished run", do="Run `vl2 corpus run` first.")
    shown = samples if samples is not None else MANY if len(runs) == 1 else FEW
    page = out or Path(os.path.commonpath([run.absolute() for run in runs])) / "report.html"
    typer.echo(f"Written to {write_report(runs, page, shown)}.", err=True)


def view(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a corpus run, or a folder of runs.")],
    host: Annotated[str, typer.Option(help="The address to listen at; only this machine unless given.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8010,
    debug: Debug = False,
) -> None:
    """Show the rows of finished runs in the browser, kept and rejected, until it is stopped."""
    from vl2.corpus.view.server import open_server

    with open_server(folder, host, port) as server:
        typer.echo(f"The rows of {folder} at {server.address}", err=True)
        server.serve_forever()
