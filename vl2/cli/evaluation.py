"""vl2 eval: measure a model on benchmarks, score, report and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vl2.cli import evaluation_data, evaluation_results
from vl2.cli.guard import EXIT_CODES, Debug

Dialect = Literal["canonical", "vlmevalkit", "lmms", "official"]

app = typer.Typer(no_args_is_help=True, help="Measure a model.", epilog=EXIT_CODES)


@app.callback()
def _root() -> None:
    """Measure a model."""


@app.command(epilog=EXIT_CODES)
def run(
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Names from `vl2 eval list`.")],
    data: Annotated[Path | None, typer.Option(help="File or folder of the rows; of each task, with {task}.")] = None,
    split: Annotated[str, typer.Option(help="Such as val or testA, where the data has several.")] = "",
    format_: Annotated[
        Literal["parquet", "tsv", "grounding-jsonl", "jsonl", "shards"] | None,
        typer.Option("--format", help="Told by the file's name unless given."),
    ] = None,
    profile: Annotated[
        Literal["vlmevalkit", "lmms", "native-grounding", "native"] | None,
        typer.Option(help="Whose prompts; the first that the benchmark lists unless given."),
    ] = None,
    dialect: Annotated[Dialect | None, typer.Option(help="Whose scoring rules; the profile's unless given.")] = None,
    model: Annotated[str, typer.Option(help="pocket, tiny, small, base, a folder or a hub name.")] = "pocket",
    adapter: Annotated[str | None, typer.Option(help="A fine-tuned adapter's folder, in PEFT's format.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16; as stored unless given.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps; a CUDA device if there is one.")] = None,
    max_running: Annotated[
        int, typer.Option("--max-running", "--batch-size", min=1, help="Answers that are computed side by side.")
    ] = 16,
    endpoint: Annotated[str | None, typer.Option(help="Ask a server instead: http://HOST:PORT/v1.")] = None,
    api_model: Annotated[str | None, typer.Option(help="Its name for the model; MODEL unless given.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Questions that a server or judge has at a time.")] = 8,
    replay: Annotated[Path | None, typer.Option(help="Take the answers of a run folder, or of id/said lines.")] = None,
    echo: Annotated[bool, typer.Option("--echo", help="Answer with the question, without a model.")] = False,
    degrade: Annotated[str | None, typer.Option(metavar="KIND:LEVEL", help="Corrupt every image first.")] = None,
    judge: Annotated[str | None, typer.Option(help="A server that judges what no rule could read.")] = None,
    judge_model: Annotated[str, typer.Option(help="Its name for the judging model.")] = "judge",
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/eval/MODEL/PROFILE unless given.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Drop the answers that are there.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 takes all.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Write the scores as JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Ask a model all rows of benchmarks and print the scores. What is answered already is not asked again."""
    from vl2.cli.evaluation_run import Choice, RunChoice, run_tasks

    answers = Choice(
        model=model, adapter=adapter, dtype=dtype, device=device, max_running=max_running, endpoint=endpoint,
        api_model=api_model, workers=workers, replay=replay, echo=echo,
    )  # fmt: skip
    wanted = RunChoice(
        tasks=tuple(tasks), data=data, split=split, format=format_, profile=profile, dialect=dialect, degrade=degrade,
        limit=limit, out=out, restart=restart, judge=judge, judge_model=judge_model,
    )  # fmt: skip
    run_tasks(wanted, answers, as_json=as_json)


app.add_typer(evaluation_data.app, name="data")
for verb in (
    evaluation_results.score, evaluation_results.report, evaluation_results.compare, evaluation_results.submit,
    evaluation_results.gallery,
):  # fmt: skip
    app.command(epilog=EXIT_CODES)(verb)
app.command("list", epilog=EXIT_CODES)(evaluation_data.list_tasks)
app.command(epilog=EXIT_CODES)(evaluation_data.cases)
