"""Scoring: answers and rows to lines, counts and a summary. No model is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import vl2
from vl2.core.errors import VL2Error
from vl2.evaluation.judge import JudgedLine, judgement_key, read_judged
from vl2.evaluation.log import AnswerLine, read_answers
from vl2.evaluation.manifest import Manifest
from vl2.evaluation.plan import Planned
from vl2.evaluation.results import Results, write_results
from vl2.evaluation.row import Row
from vl2.evaluation.statistics import Estimate, estimate, mean_estimate
from vl2.evaluation.summary import Part, ScoredLine, Summary
from vl2.evaluation.task import Count, PromptRule, Scored, Task
from vl2.evaluation.verdict import Dialect, Verdict

ERROR = Verdict(credit=0.0, state="error")


def score_run(folder: Path, task: Task, rule: PromptRule, manifest: Manifest, plan: Sequence[Planned]) -> Results:
    """Score all answers that a run folder holds, by its manifest, and write the results beside them."""
    dialect, answers = dialect_of(manifest.dialect, rule), read_answers(folder)
    lines, scored, num_judged = score_answers(task, rule, dialect, plan, answers, read_judged(folder))
    counts = list(task.count(scored))
    summary = replace(
        summarise(task, manifest, dialect, scored, counts), judged=num_judged,
        unanswered=sum(planned.key not in answers for planned in plan),
    )  # fmt: skip
    results = Results(summary=summary, scale=task.scale, lines=lines, counts=counts)
    write_results(folder, results)
    return results


def score_answers(
    task: Task, rule: PromptRule, dialect: Dialect, plan: Sequence[Planned], answers: Mapping[str, AnswerLine],
    judged: Mapping[str, JudgedLine],
) -> tuple[list[ScoredLine], list[Scored], int]:  # fmt: skip
    """Return the verdicts on all answered rows that have a right answer, and how many of them a judge gave.

    A judge's verdict counts only where the rules find an answer unparsed.
    """
    lines: list[ScoredLine] = []
    scored: list[Scored] = []
    num_judged = 0
    for planned in plan:
        row, answer = planned.row, answers.get(planned.key)
        if answer is None or not has_gold(row):
            continue
        verdict = score_answer(task, rule, dialect, row, answer)
        ruling = judged.get(judgement_key(row, answer.said)) if verdict.state == "unparsed" else None
        if ruling is not None and ruling.verdict != "unclear":
            num_judged += 1
            verdict = ruling.as_verdict()
        scored.append(Scored(row=row, said=answer.said, verdict=verdict))
        lines.append(_line(row, answer.said, verdict, len(planned.images)))
    return lines, scored, num_judged


def score_answer(task: Task, rule: PromptRule, dialect: Dialect, row: Row, answer: AnswerLine) -> Verdict:
    """Return what the rules say of one answer."""
    return ERROR if answer.error else task.score(row, rule.clean(answer.said), dialect)


def has_gold(row: Row) -> bool:
    """Tell whether a row says what is right; of test splits only the official server knows."""
    return bool(row.answers) or row.box is not None


def dialect_of(asked: str | None, rule: PromptRule) -> Dialect:
    """Return the scoring rules that are asked for, else those that go with the prompts. Raises VL2Error."""
    known: tuple[Dialect, ...] = ("canonical", "vlmevalkit", "lmms", "official")
    for dialect in known:
        if dialect == (asked or rule.dialect):
            return dialect
    raise VL2Error("dialect", "unknown", got=asked, expected=", ".join(known))


def headline(task: Task, scored: Sequence[Scored]) -> Estimate:
    """Return the score of some verdicts with its interval."""
    return estimate_counts(list(task.count(scored)), task.scale)


def estimate_counts(counts: Sequence[Count], scale: float) -> Estimate:
    """Return the headline: a plain mean of independent rows has Wilson's or the normal interval, all else resamples."""
    is_mean = len({count.part for count in counts}) == 1 and all(count.weight == 1 for count in counts)
    if is_mean and len({count.group for count in counts}) == len(counts):
        return mean_estimate([count.value for count in counts], scale)
    return estimate(counts, scale)


def summarise(
    task: Task, manifest: Manifest, dialect: Dialect, scored: Sequence[Scored], counts: Sequence[Count]
) -> Summary:  # fmt: skip
    """Return the score of a run with all that it depends on."""
    found, states = estimate(counts, task.scale), [one.verdict.state for one in scored]
    shares = {name: states.count(name) / max(1, len(states)) for name in ("unparsed", "error")}
    return Summary(
        task=task.name, title=task.title, metric=task.metric, profile=manifest.profile, dialect=dialect,
        model=manifest.identity.model, fingerprint=manifest.identity.fingerprint,
        activated_parameters=manifest.identity.activated_parameters, num_rows=len(scored), score=found.score,
        low=found.low, high=found.high, standard_error=found.standard_error, unparsed=shares["unparsed"],
        errors=shares["error"], published=task.published, data=manifest.data, split=manifest.split,
        code=vl2.__version__, degradation=manifest.degradation,
        parts={name: tuple(_parts(task, scored, name)) for name in task.breakdown},
    )  # fmt: skip


def _parts(task: Task, scored: Sequence[Scored], name: str) -> Iterator[Part]:
    """Yield the score of the rows that share a value of an attribute or field, in the order in which they appear."""
    by_value: dict[str, list[Scored]] = {}
    for one in scored:
        for value in _values(one.row, name):
            by_value.setdefault(value, []).append(one)
    for value, own in by_value.items():
        found = headline(task, own)
        yield Part(name=value, num_rows=len(own), score=found.score, low=found.low, high=found.high)


def _values(row: Row, name: str) -> tuple[str, ...]:
    """Return what a row says under a name, of its own or of only its benchmark; a list says several things."""
    found = getattr(row, name) if name in ROW_NAMES else row.fields.get(name)
    several = found if isinstance(found, list | tuple) else (found,)
    return tuple(str(value) for value in several if value not in (None, ""))


ROW_NAMES = {field.name for field in fields(Row)}


def _line(row: Row, said: str, verdict: Verdict, num_images: int) -> ScoredLine:
    return ScoredLine(
        id=row.id, group=row.group, category=row.category, question=row.question, answers=row.answers, said=said,
        parsed=verdict.parsed, credit=verdict.credit, state=verdict.state, box=row.box, num_images=num_images,
    )  # fmt: skip
