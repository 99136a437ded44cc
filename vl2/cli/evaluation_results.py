"""vl2 eval score, report, compare: what became of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from vl2.cli.guard import remember_debug

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of one task of a run: OUT/TASK.")]
Debug = Annotated[bool, typer.Option("--debug", callback=remember_debug, help="Show traces of errors.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def score(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of tasks of a run: OUT/TASK.")],
    data: Annotated[Path | None, typer.Option(help="Where the rows lie now, if elsewhere; {task} as in run.")] = None,
    dialect: Annotated[
        Literal["canonical", "vlmevalkit", "lmms", "official"] | None,
        typer.Option(help="Whose scoring rules; the run's unless given."),
    ] = None,
    judge: Annotated[str | None, typer.Option(help="A server that judges what no rule could read.")] = None,
    judge_model: Annotated[str, typer.Option(help="Its name for the judging model.")] = "judge",
    workers: Annotated[int, typer.Option(min=1, help="Questions that the judge has at a time.")] = 8,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Score the answers of runs again, without a model."""
    from vl2.cli.evaluation_run import score_again

    score_again(runs, data, dialect, judge=judge, judge_model=judge_model, workers=workers, as_json=as_json)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of tasks, or of whole runs.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page; its Markdown stands beside it.")],
    debug: Debug = False,
) -> None:
    """Write one page of runs: scores with error bars against the published ones, and the wrong answers."""
    from vl2.evaluation.report import write_report

    write_report(_task_folders(runs), out)
    typer.echo(f"Written to {out}.", err=True)


def compare(first: Run, second: Run, as_json: Json = False, debug: Debug = False) -> None:
    """Tell whether the second run's score differs from the first's by more than chance."""
    from vl2.evaluation.compare import compare, to_dict

    found = compare(first, second)
    typer.echo(json.dumps(to_dict(found)) if as_json else str(found))


def _task_folders(runs: list[Path]) -> list[Path]:
    """Return the folders that hold a summary: those given, or the ones right within them."""
    from vl2.core.errors import VL2Error
    from vl2.evaluation.results import SUMMARY

    found: list[Path] = []
    for run in runs:
        inner = sorted(path.parent for path in run.glob(f"*/{SUMMARY}"))
        own = [run] if (run / SUMMARY).is_file() else inner
        if not own:
            raise VL2Error(str(run), f"holds no {SUMMARY}", do="Run `vl2 eval run` or `vl2 eval score` first.")
        found += own
    return found
