"""vl2 eval list, data, cases: what can be measured, on which data, by which rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vl2.cli.guard import CHECK_FAILED, EXIT_CODES, Debug

PROMPT_CASE = "deepseek_vl2_conversation"  # the key that tells a case of a prompt from one of a metric

app = typer.Typer(no_args_is_help=True, help="Look at benchmark data.", epilog=EXIT_CODES)


@app.callback()
def _root() -> None:
    """Look at benchmark data."""


@app.command("verify", epilog=EXIT_CODES)
def verify_data(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Its name from `vl2 eval list`.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file or folder of its rows.")],
    split: Annotated[str, typer.Option(help="Such as val or testA, where the data has several.")] = "",
    debug: Debug = False,
) -> None:
    """Read a benchmark's data whole: rows, columns, MD5, missing images, and what is wrong with it."""
    from vl2.evaluation.tasks import find_task
    from vl2.evaluation.verify import verify

    found = verify(find_task(task), path, split=split)
    typer.echo(f"format    {found.format}")
    typer.echo(f"columns   {', '.join(found.columns)}")
    typer.echo(f"rows      {found.num_records} in the file, {found.num_rows} questions, {found.num_answered} answered")
    typer.echo(f"images    missing for {found.num_missing_images} questions")
    if found.md5:
        typer.echo(f"MD5       {found.md5}")
    for problem in found.problems:
        typer.echo(f"warning   {problem}")


def list_tasks(debug: Debug = False) -> None:
    """List the benchmarks: name, title, metric, profiles, expected rows."""
    from vl2.evaluation.tasks import TASKS

    typer.echo(f"{'name':<18} {'title':<18} {'metric':<28} profiles; rows of the splits")
    for task in TASKS.values():
        rows = ", ".join(f"{split} {number}" for split, number in task.num_rows.items())
        profiles = ", ".join(task.profiles)
        typer.echo(f"{task.name:<18} {task.title:<18} {task.metric:<28} {profiles}{f'; {rows}' if rows else ''}")


def cases(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Cases of metrics or of prompts.")],
    debug: Debug = False,
) -> None:
    """Run cases with known results: exit code 0 only if all pass."""
    import json

    from vl2.core.errors import VL2Error

    try:
        with file.open("rb") as stream:
            first = json.loads(stream.readline(1 << 20))
    except (OSError, ValueError, RecursionError) as error:
        raise VL2Error(str(file), "holds no cases", got=type(error).__name__, expected="JSON lines") from None
    if isinstance(first, dict) and PROMPT_CASE in first:
        from vl2.evaluation.prompt_cases import run_prompt_cases as run
    else:
        from vl2.evaluation.cases import run_cases as run
    found = run(file)
    for mismatch in found.mismatches:
        typer.echo(str(mismatch))
    typer.echo(f"passed {found.passed}, failed {found.failed}")
    if found.failed:
        raise typer.Exit(CHECK_FAILED)
