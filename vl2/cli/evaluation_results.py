"""vl2 eval score, report, compare: what became of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from vl2.cli.guard import Debug

ONE, SEVERAL = "A run's folder, or that of one of its tasks.", "Folders of runs, or of single tasks of them."
Run = Annotated[Path, typer.Argument(metavar="RUN", help=ONE)]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help=SEVERAL)]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def score(
    runs: Runs,
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
    from vl2.evaluation.manifest import FILE

    score_again(
        _task_folders(runs, FILE), data, dialect, judge=judge, judge_model=judge_model, workers=workers, as_json=as_json
    )


def report(
    runs: Runs,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page; its Markdown stands beside it.")],
    debug: Debug = False,
) -> None:
    """Write one page of runs: scores with error bars against the published ones, and the wrong answers."""
    from vl2.evaluation.report import write_report
    from vl2.evaluation.results import SUMMARY

    write_report(_task_folders(runs, SUMMARY), out)
    typer.echo(f"Written to {out}.", err=True)


def compare(first: Run, second: Run, as_json: Json = False, debug: Debug = False) -> None:
    """Tell for each task of two runs whether the second's score differs from the first's by more than chance."""
    from vl2.core.errors import VL2Error
    from vl2.evaluation.compare import compare, to_dict
    from vl2.evaluation.results import SUMMARY

    one, other = (_task_folders([run], SUMMARY) for run in (first, second))
    if len(one) == len(other) == 1:
        pairs = [(one[0], other[0])]
    else:
        by_name = {folder.name: folder for folder in other}
        pairs = [(folder, by_name[folder.name]) for folder in one if folder.name in by_name]
    if not pairs:
        raise VL2Error("the runs", "have no task in common", do="Compare runs of the same tasks.")
    for pair in pairs:
        found = compare(*pair)
        typer.echo(json.dumps(to_dict(found)) if as_json else str(found))


def submit(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file for the benchmark's server.")],
    data: Annotated[Path | None, typer.Option(help="Where the rows lie now, if elsewhere.")] = None,
    debug: Debug = False,
) -> None:
    """Write the answers of a run as the server of its benchmark takes them."""
    from vl2.cli.evaluation_run import job_from
    from vl2.evaluation.submission import write_submission

    number = write_submission(run, job_from(run, data, None), out)
    typer.echo(f"{number} answers written to {out}.", err=True)


def gallery(
    name: Annotated[str, typer.Argument(help="vqa, multi-image, storytelling, grounding, .. as in the paper.")],
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="The pictures to talk about.")],
    model: Annotated[str, typer.Option(help="pocket, tiny, small, base, a folder or a hub name.")] = "pocket",
    debug: Debug = False,
) -> None:
    """Lead the conversations of one of the paper's qualitative sets, about your pictures."""
    from vl2.engine import assistant
    from vl2.evaluation.galleries import show_gallery

    for turn in show_gallery(assistant.load(model), name, images):
        typer.echo(f"[{', '.join(turn.pictures)}] {turn.question}\n  {turn.answer.text}")


def _task_folders(runs: list[Path], file: str) -> list[Path]:
    """Return the folders that hold a file: those given, or the ones right within them. Raises VL2Error."""
    from vl2.core.errors import VL2Error

    found: list[Path] = []
    for run in runs:
        own = [run] if (run / file).is_file() else sorted(path.parent for path in run.glob(f"*/{file}"))
        if not own:
            raise VL2Error(str(run), f"holds no {file}", do="Give the folder of a run: what `vl2 eval run` wrote.")
        found += own
    return found
