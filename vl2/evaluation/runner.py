"""Runner: ask the rows of a task that have no answer yet, keep every answer, and score when none is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.core.sample import Message, Sample
from vl2.evaluation.answerers.answerer import Answerer, Question, Reply
from vl2.evaluation.degradation import degraded
from vl2.evaluation.job import Job
from vl2.evaluation.judge import FILE as JUDGED
from vl2.evaluation.log import AnswerLine, AnswerLog, read_answers
from vl2.evaluation.manifest import FILE as MANIFEST
from vl2.evaluation.manifest import keep_manifest
from vl2.evaluation.plan import Planned, make_plan, manifest_of
from vl2.evaluation.progress import Progress
from vl2.evaluation.rank import Rank, locked
from vl2.evaluation.results import COUNTS, SCORES, SUMMARY, Results
from vl2.evaluation.scoring import dialect_of, has_gold, score_answer, score_run
from vl2.evaluation.statistics import Totals
from vl2.evaluation.task import Scored
from vl2.evaluation.verdict import Dialect

NOTHING = Sample(id="", messages=())


def run_job(
    job: Job, answerer: Answerer, folder: Path, *, restart: bool = False, rank: Rank | None = None
) -> Results | None:
    """Answer what is not answered yet and score; None where other processes still have rows to answer.

    Equal questions are answered once, whatever was stopped before and whoever answered. Errors are tried again.
    Raises VL2Error when the folder holds another run's answers or another process writes there.
    """
    rank = rank or Rank.from_environment()
    dialect_of(job.dialect, job.rule)
    if restart and rank.size > 1:
        raise VL2Error("restart", "would drop what the other processes write", do=f"Remove {folder} first.")
    with locked(folder, rank):
        if restart:
            drop_answers(folder)
        plan = make_plan(job, answerer.identity)
        manifest = manifest_of(job, answerer.identity)
        keep_manifest(folder, manifest)
        _ask_all(job, answerer, plan, folder, rank)
        answers = read_answers(folder)
        if any(planned.key not in answers for planned in plan):
            return None
        return score_run(folder, job.task, job.rule, manifest, plan)


def drop_answers(folder: Path) -> None:
    """Remove what an earlier run has left in its folder, and nothing else."""
    for pattern in ("answers*.jsonl", JUDGED, SCORES, COUNTS, SUMMARY, MANIFEST):
        for path in folder.glob(pattern):
            path.unlink()


def _ask_all(job: Job, answerer: Answerer, plan: Sequence[Planned], folder: Path, rank: Rank) -> None:
    answers = {key: line for key, line in read_answers(folder).items() if not line.error}
    own = {planned.key for planned in plan if rank.has(planned.key)}
    running = _RunningScore(job, plan, answers)
    with (
        AnswerLog(folder, rank) as log,
        Progress(job.task.name, len(own), len(own & answers.keys()), running.score) as progress,
    ):
        for reply in _replies(job, answerer, plan, own - answers.keys()):
            line = _line_of(reply)
            log.append(line)
            running.add(line)
            progress.add(is_error=bool(reply.error))


def _replies(job: Job, answerer: Answerer, plan: Sequence[Planned], missing: set[str]) -> Iterator[Reply]:
    """Yield a reply for each missing key, also for the rows that cannot even be asked."""
    failed: list[Reply] = []
    for reply in answerer.answer(_questions(job, plan, missing, failed)):
        yield reply
        while failed:
            yield failed.pop()
    yield from failed


def _questions(job: Job, plan: Sequence[Planned], missing: set[str], failed: list[Reply]) -> Iterator[Question]:
    """Yield what is to be asked; the rows are read once more, now with their images."""
    left = set(missing)
    for row, planned in zip(job.wanted(), plan, strict=False):
        if not left:
            return
        if row.id != planned.row.id:
            raise VL2Error(job.data, "has changed while it was read", got=row.id[:80], expected=planned.row.id[:80])
        if planned.key not in left:
            continue
        left.remove(planned.key)
        question = Question(key=planned.key, id=row.id, sample=NOTHING, asking=job.asking, images=planned.images)
        try:
            sample = job.rule.ask(row if job.degradation is None else degraded(row, job.degradation))
        except VL2Error as error:  # such as an image that cannot be opened
            failed.append(Reply(question=question, error=str(error)))
            continue
        yield replace(question, sample=replace(sample, messages=(*sample.messages, Message("assistant", ()))))


def _line_of(reply: Reply) -> AnswerLine:
    question = reply.question
    return AnswerLine(
        key=question.key, id=question.id, images=question.images, said=reply.said, finish_reason=reply.finish_reason,
        num_tokens=reply.num_tokens, error=reply.error,
    )  # fmt: skip


class _RunningScore:
    """The headline of what is answered so far."""

    def __init__(self, job: Job, plan: Sequence[Planned], answers: Mapping[str, AnswerLine]) -> None:
        self._job = job
        self._dialect: Dialect = dialect_of(job.dialect, job.rule)
        self._rows = {planned.key: planned.row for planned in plan if has_gold(planned.row)}
        self._scored: list[Scored] = []
        for key in self._rows:
            if key in answers:
                self.add(answers[key])

    def add(self, line: AnswerLine) -> None:
        if line.key in self._rows:
            row = self._rows[line.key]
            verdict = score_answer(self._job.task, self._job.rule, self._dialect, row, line)
            self._scored.append(Scored(row=row, said=line.said, verdict=verdict))

    def score(self) -> float | None:
        if not self._scored:
            return None
        return Totals.of(list(self._job.task.count(self._scored))).headline(self._job.task.scale)
