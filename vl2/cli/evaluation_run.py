"""What vl2 eval run and score do, once the command line is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vl2.cli.evaluation_answerer import Choice, open_answerer, open_judge
from vl2.core.errors import VL2Error
from vl2.evaluation.job import Job, RowSource
from vl2.evaluation.judge import judge_answers
from vl2.evaluation.log import read_answers
from vl2.evaluation.manifest import read_manifest
from vl2.evaluation.plan import Planned, make_plan
from vl2.evaluation.rank import Rank, locked
from vl2.evaluation.results import Results
from vl2.evaluation.row import Row
from vl2.evaluation.runner import run_job
from vl2.evaluation.scoring import dialect_of, score_answer, score_run
from vl2.evaluation.summary import Degradation, Summary
from vl2.evaluation.task import Format, Profile, Task

if TYPE_CHECKING:
    from vl2.evaluation.answerers.endpoint import Endpoint

RUNS = Path("runs/eval")
PLACE_OF_TASK = "{task}"


@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """What is asked, how, and where the answers are kept."""

    tasks: tuple[str, ...]
    data: Path | None
    split: str
    format: Format | None
    profile: Profile | None  # None takes the first that the task has
    dialect: str | None
    degrade: str | None
    limit: int
    out: Path | None
    restart: bool
    judge: str | None
    judge_model: str


def run_tasks(wanted: RunChoice, choice: Choice, *, as_json: bool) -> None:
    """Run each task and print its score. Everything that can be refused without a model is refused first."""
    jobs = [job_of(wanted, name) for name in wanted.tasks]
    if wanted.judge is not None and Rank.from_environment().size > 1:
        raise VL2Error("judge", "reads whole runs", do="Give --judge to `vl2 eval score` when all have ended.")
    judge = open_judge(wanted.judge, wanted.judge_model)
    summaries: list[Summary] = []
    with closing(open_answerer(choice)) as answerer:
        for job in jobs:
            kind = job.profile + (f"-{wanted.degrade.replace(':', '-')}" if wanted.degrade else "")
            folder = wanted.out or RUNS / _file_name(answerer.identity.model) / kind
            if choice.endpoint and job.rule.max_tiles:
                typer.echo(f"{job.task.name}: the server cuts images by its own rule, not into up to "
                           f"{job.rule.max_tiles} tiles.", err=True)  # fmt: skip
            results = run_job(job, answerer, folder / job.task.name, restart=wanted.restart)
            if results is None:
                typer.echo(f"{job.task.name}: other processes still have rows to answer.", err=True)
                continue
            if judge is not None:
                results = judged_again(folder / job.task.name, job, judge, choice.workers)
            summaries.append(results.summary)
            typer.echo(f"{job.task.name}: kept in {folder / job.task.name}.", err=True)
    show_summaries(summaries, as_json=as_json)


def score_again(
    runs: Sequence[Path], data: Path | None, dialect: str | None, *, judge: str | None, judge_model: str, workers: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Score kept answers by the rows as they lie now, and print the scores."""
    endpoint = open_judge(judge, judge_model)
    summaries: list[Summary] = []
    for folder in runs:
        manifest = read_manifest(folder)
        job = job_from(folder, data, dialect)
        with locked(folder, Rank()):
            plan = make_plan(job, manifest.identity)
            changed = replace(manifest, dialect=job.dialect, data=job.data)
            results = score_run(folder, job.task, job.rule, changed, plan)
        if endpoint is not None:
            results = judged_again(folder, job, endpoint, workers)
        summaries.append(results.summary)
    show_summaries(summaries, as_json=as_json)


def judged_again(folder: Path, job: Job, endpoint: Endpoint, workers: int) -> Results:
    """Let the judge read what no rule could, say what came of it, and score again."""
    manifest = replace(read_manifest(folder), dialect=job.dialect, data=job.data)
    with locked(folder, Rank()):
        answers = read_answers(folder)
        plan = make_plan(job, manifest.identity)
        count = judge_answers(folder, list(_unparsed(job, plan, answers)), endpoint, workers)
        results = score_run(folder, job.task, job.rule, manifest, plan)
    words = f"{job.task.name}: the judge was asked about {count.num_asked} answers, {count.num_unclear} stay unclear"
    failed = f", {count.num_failed} requests failed: {count.problem}" if count.num_failed else "."
    typer.echo(words + failed, err=True)
    return results


def job_of(wanted: RunChoice, name: str) -> Job:
    """Return a task with its rows. Raises VL2Error."""
    from vl2.evaluation.tasks import find_task

    task = find_task(name)
    if wanted.data is None and not task.data:
        raise VL2Error("data", "is not given", do=f"Say where the rows of {task.title} lie: --data FILE_OR_FOLDER.")
    path = Path(task.data) if wanted.data is None else place_of(wanted.data, task)
    if wanted.data is not None and len(wanted.tasks) > 1 and PLACE_OF_TASK not in str(wanted.data):
        raise VL2Error("data", "is one place for several tasks", got=wanted.data, expected="a path with {task} in it")
    profile = wanted.profile or next(iter(task.profiles))
    job = Job(
        task=task, rows=rows_of(task, path, wanted.split, wanted.format), profile=profile, data=str(path),
        split=wanted.split, format=wanted.format, limit=wanted.limit, dialect=wanted.dialect,
        degradation=None if wanted.degrade is None else read_degradation(wanted.degrade),
    )  # fmt: skip
    dialect_of(job.dialect, job.rule)
    return job


def job_from(folder: Path, data: Path | None, dialect: str | None) -> Job:
    """Return the job that a run folder was made by, over the data as it lies now. Raises VL2Error."""
    from vl2.evaluation.tasks import find_task

    manifest = read_manifest(folder)
    task = find_task(manifest.task)
    path = Path(manifest.data) if data is None else place_of(data, task)
    form: Any = manifest.format
    profile: Any = manifest.profile  # both were checked when they were given, and are again where they are used
    return Job(
        task=task, rows=rows_of(task, path, manifest.split, form), profile=profile, data=str(path),
        split=manifest.split, format=form, limit=manifest.limit, dialect=dialect or manifest.dialect,
        degradation=manifest.degradation,
    )  # fmt: skip


def read_degradation(text: str) -> Degradation:
    """Return what KIND:LEVEL says. Raises VL2Error."""
    from vl2.processor.degrade import check

    kind, _, level = text.partition(":")
    number = int(level) if level.isascii() and level.isdecimal() and len(level) < 3 else 0
    check(kind, number)
    return Degradation(kind=kind, level=number)


def rows_of(task: Task, path: Path, split: str, form: Format | None) -> RowSource:
    """Return what reads the rows anew whenever it is called."""
    from vl2.evaluation.loaders import open_rows

    return lambda: open_rows(task, path, split=split, format=form)


def place_of(data: Path, task: Task) -> Path:
    """Return where the rows of a task lie."""
    return Path(str(data).replace(PLACE_OF_TASK, task.name))


def show_summaries(summaries: Sequence[Summary], *, as_json: bool) -> None:
    """Print one line a task: the score with its interval, and what could not be read or was never answered."""
    if as_json:
        typer.echo(json.dumps([asdict(summary) for summary in summaries]))
        return
    if not summaries:
        return
    typer.echo(f"{'task':<18} {'n':>6} {'score':>8}   95 % interval      unparsed  errors  judged  metric, profile")
    for one in summaries:
        interval = f"{one.low:.2f} .. {one.high:.2f}"
        typer.echo(
            f"{one.task:<18} {one.num_rows:>6} {one.score:>8.2f}   {interval:<18} {one.unparsed:>7.1%} "
            f"{one.errors:>7.1%} {one.judged:>7}  {one.metric}, {one.profile}"
            + (f", {one.degradation.kind}:{one.degradation.level}" if one.degradation else "")
            + (f"; {one.unanswered} rows are not answered yet" if one.unanswered else "")
        )


def _unparsed(job: Job, plan: Sequence[Planned], answers: Any) -> Iterator[tuple[Row, str]]:
    """Yield the rows and answers that no rule could read; where boxes are asked for there is nothing to judge."""
    dialect = dialect_of(job.dialect, job.rule)
    for planned in plan:
        row, answer = planned.row, answers.get(planned.key)
        if answer and row.answers and score_answer(job.task, job.rule, dialect, row, answer).state == "unparsed":
            yield row, answer.said


def _file_name(model: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in model)[:80]
