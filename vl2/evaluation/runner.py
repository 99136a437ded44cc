"""Runner: ask the rows of a task that have no answer yet, keep every answer, and score when none is missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import vl2
from vl2.core.errors import VL2Error, nearest
from vl2.core.sample import Message, Sample
from vl2.evaluation.answerers.answerer import Answerer, Asking, Identity, Question, Reply, text_of
from vl2.evaluation.degradation import degraded, degraded_box
from vl2.evaluation.image_file import hash_of
from vl2.evaluation.log import AnswerLine, AnswerLog, Rank, locked, read_answers
from vl2.evaluation.manifest import Manifest, keep_manifest
from vl2.evaluation.progress import Progress
from vl2.evaluation.results import Results
from vl2.evaluation.row import Row
from vl2.evaluation.scoring import Planned, dialect_of, has_gold, score_answer, score_run
from vl2.evaluation.statistics import Totals
from vl2.evaluation.summary import Degradation
from vl2.evaluation.task import Profile, PromptRule, Scored, Task
from vl2.evaluation.verdict import Dialect

NOTHING = Sample(id="", messages=())
RowSource = Callable[[], Iterator[Row]]  # called twice: to plan, and to ask


@dataclass(frozen=True, kw_only=True)
class Job:
    """One task over one file of rows, asked in one way."""

    task: Task
    rows: RowSource
    profile: Profile
    data: str = ""  # where the rows lie, as it was given
    split: str = ""
    format: str | None = None
    limit: int = 0  # rows; 0 takes all
    dialect: str | None = None
    degradation: Degradation | None = None

    @property
    def rule(self) -> PromptRule:
        """Return how the profile asks. Raises VL2Error when the task has no such profile."""
        if self.profile not in self.task.profiles:
            valid = list(self.task.profiles)
            raise VL2Error(
                "profile", f"{self.task.name} has no such prompts", got=self.profile, expected=", ".join(valid),
                do=nearest(self.profile, valid),
            )  # fmt: skip
        return self.task.profiles[self.profile]

    @property
    def asking(self) -> Asking:
        """Return how answers are generated."""
        rule = self.rule
        return Asking(max_new_tokens=rule.max_new_tokens, stop=rule.stop, max_tiles=rule.max_tiles)

    def wanted(self) -> Iterator[Row]:
        """Yield the rows."""
        return islice(self.rows(), self.limit or None)


def run_job(
    job: Job, answerer: Answerer, folder: Path, *, restart: bool = False, rank: Rank | None = None
) -> Results | None:
    """Answer what is not answered yet and score; None where other processes still have rows to answer.

    Equal questions are answered once, whatever was stopped before and whoever answered. Errors are tried again.
    Raises VL2Error when the folder holds another run's answers or another process writes there.
    """
    rank = rank or Rank.from_environment()
    dialect_of(job.dialect, job.rule)
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


def make_plan(job: Job, identity: Identity) -> list[Planned]:
    """Return the rows with the keys of their answers; image bytes are hashed and dropped. Raises VL2Error."""
    rule, asking = job.rule, job.asking
    plan: list[Planned] = []
    for row in job.wanted():
        images = tuple(map(hash_of, row.images))
        key = key_of(row.id, _prompt(rule, row), images, asking, identity, job.degradation)
        light = replace(row, images=tuple(replace(image, data=None) for image in row.images))
        if job.degradation is not None:
            light = replace(light, box=_moved(row, job.degradation))
        plan.append(Planned(row=light, key=key, images=images))
    if not plan:
        raise VL2Error(job.data or job.task.name, "holds no rows", do="Check the path and --split.")
    return plan


def manifest_of(job: Job, identity: Identity) -> Manifest:
    """Return all that the answers of a job depend on."""
    first = next(job.wanted())
    rule = [job.profile, asdict(job.asking), _prompt(job.rule, first)]
    return Manifest(
        task=job.task.name, profile=job.profile, prompt=_hash(rule), identity=identity, data=job.data,
        split=job.split, format=job.format, limit=job.limit, dialect=job.dialect, degradation=job.degradation,
        code=vl2.__version__,
    )  # fmt: skip


def key_of(
    row_id: str, prompt: str, images: Sequence[str], asking: Asking, identity: Identity,
    degradation: Degradation | None,
) -> str:  # fmt: skip
    """Return the hash of all that an answer depends on."""
    changed = None if degradation is None else asdict(degradation)
    return _hash([row_id, prompt, list(images), asdict(asking), identity.fingerprint, dict(identity.settings), changed])


def prompt_of(sample: Sample) -> str:
    """Return the turns of a sample as text."""
    return "\n".join(f"{message.role}: {text_of(message)}" for message in sample.messages)


def drop_answers(folder: Path) -> None:
    """Remove what an earlier run has left in its folder, and nothing else."""
    for pattern in ("answers*.jsonl", "judged.jsonl", "scores.jsonl", "counts.jsonl", "*.json"):
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


def _moved(row: Row, degradation: Degradation) -> tuple[float, float, float, float] | None:
    """Return where the box of a row is in its worse image; where it was, when the image cannot be opened."""
    try:
        return degraded_box(row, degradation)
    except VL2Error:
        return row.box


def _prompt(rule: PromptRule, row: Row) -> str:
    """Return the prompt of a row; nothing where it cannot be asked."""
    try:
        return prompt_of(rule.ask(row))
    except VL2Error:
        return ""


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


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
