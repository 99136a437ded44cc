"""The rows of the report's tables and figures: our scores among the published ones, and under degradation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vl2.evaluation.published import OURS, PERCENT, SCALES, Published, published_rows
from vl2.evaluation.results import Results
from vl2.evaluation.statistics import Z95
from vl2.evaluation.summary import Degradation, Summary

BILLION = 1e9
RUN = "this run"  # the group of what was measured here
FEWEST_AVERAGED = 2  # benchmarks


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One line of a benchmark's table, or one point of its figure."""

    model: str
    group: str
    activated: float | None  # billions
    score: float
    low: float | None  # 95 %
    high: float | None
    note: str
    source: str

    @property
    def is_run(self) -> bool:
        """Tell whether this was measured here."""
        return self.group == RUN

    @property
    def is_family(self) -> bool:
        """Tell whether this is a model of the paper, or was measured here."""
        return self.group in (RUN, OURS)

    @property
    def kind(self) -> str:
        """Return the class under which page and figures show it."""
        return "run" if self.is_run else "family" if self.is_family else "other"


@dataclass(frozen=True, kw_only=True)
class Series:
    """The runs of one model on one benchmark under one kind of degradation, by level; level 0 is the plain run."""

    model: str
    kind: str
    summaries: dict[int, Summary]


def parameters(billions: float | None) -> str:
    """Return a number of parameters as people write it; "" when it is not known."""
    if not billions:
        return ""
    return f"{billions:.3g} B" if billions >= 0.1 else f"{1000 * billions:.3g} M"


def columns_of(summary: Summary) -> str:
    """Return the published column that a run compares with; the splits of RefCOCO have one each."""
    if summary.published.startswith("RefCOCO") and summary.split:
        return f"{summary.published}_{summary.split}"
    return summary.published


def plain_runs(runs: Sequence[Results]) -> list[Results]:
    """Return the runs whose images were shown as they are."""
    return [run for run in runs if run.summary.degradation is None]


def by_task(runs: Sequence[Results]) -> dict[str, list[Results]]:
    """Return runs by task and split, in their order."""
    found: dict[str, list[Results]] = {}
    for run in runs:
        summary = run.summary
        found.setdefault(f"{summary.title} {summary.split}".strip(), []).append(run)
    return found


def score_rows(runs: Sequence[Results]) -> list[ScoreRow]:
    """Return the runs of one benchmark and what is published of it, best first."""
    ours = [_measured(run.summary) for run in runs]
    columns = dict.fromkeys(columns_of(run.summary) for run in runs)
    rows = [*ours, *(_published(row) for column in columns if column for row in published_rows(column))]
    return sorted(rows, key=lambda row: -row.score)


def mean_rows(runs: Sequence[Results]) -> tuple[list[str], list[ScoreRow]]:
    """Return the benchmarks that all models measured here share, and each model's mean over them in percent.

    Published models need a score of each. Of two runs of a model on one benchmark the first counts. Too few
    benchmarks give no rows.
    """
    by_model: dict[str, dict[str, ScoreRow]] = {}
    for run in plain_runs(runs):
        if column := columns_of(run.summary):
            by_model.setdefault(run.summary.model, {}).setdefault(column, _measured(run.summary))
    shared = [name for name in next(iter(by_model.values()), {}) if all(name in own for own in by_model.values())]
    if len(shared) < FEWEST_AVERAGED:
        return [], []
    for name in shared:
        for row in published_rows(name):
            by_model.setdefault(f"{row.model} ({row.group})", {}).setdefault(name, _published(row))
    complete = [[own[name] for name in shared] for own in by_model.values() if all(name in own for name in shared)]
    rows = [_mean(own, shared) for own in complete]
    return shared, sorted(rows, key=lambda row: -row.score)


def degraded_series(runs: Sequence[Results]) -> list[Series]:
    """Return the degraded runs of one benchmark by model, prompts and kind."""
    found: dict[tuple[str, str, str, str], dict[int, Summary]] = {}
    for run in runs:
        if (worse := run.summary.degradation) is not None:
            found.setdefault((*_asked(run.summary), worse.kind), {})[worse.level] = run.summary
    plain = {_asked(run.summary): run.summary for run in reversed(plain_runs(runs))}
    for (*asked, _), summaries in found.items():
        if (base := plain.get((asked[0], asked[1], asked[2]))) is not None:
            summaries[0] = base
    return [
        Series(model=model, kind=kind, summaries=dict(sorted(summaries.items())))
        for (model, _, _, kind), summaries in found.items()
    ]


def drops(series: Series) -> Iterator[tuple[Degradation, Summary, float | None]]:
    """Yield each degraded run of a series with what its score lost; None without a plain run."""
    base = series.summaries[0].score if 0 in series.summaries else None
    for summary in series.summaries.values():
        if summary.degradation is not None:
            yield summary.degradation, summary, None if base is None else base - summary.score


def failed(summary: Summary) -> str:
    """Return the shares of unparsed answers and of errors, which stand beside every score."""
    return f"{summary.unparsed:.1%} could not be read, {summary.errors:.1%} were not answered"


def asked_how(summary: Summary) -> str:
    """Return what else a reader has to know beside a score."""
    told = f"{summary.num_rows} questions, prompts {summary.profile}, rules {summary.dialect}"
    if summary.unanswered:
        told += f", {summary.unanswered} not asked yet"
    return told + (f", {summary.judged} judged by a model" if summary.judged else "")


def _asked(summary: Summary) -> tuple[str, str, str]:
    return summary.model, summary.profile, summary.dialect


def _measured(summary: Summary) -> ScoreRow:
    activated = summary.activated_parameters
    return ScoreRow(
        model=summary.model, group=RUN, activated=activated / BILLION if activated else None, score=summary.score,
        low=summary.low, high=summary.high, note=f"{asked_how(summary)}; {failed(summary)}", source="measured here",
    )  # fmt: skip


def _published(row: Published) -> ScoreRow:
    error = row.standard_error
    return ScoreRow(
        model=row.model, group=row.group, activated=row.activated, score=row.score,
        low=None if error is None else row.score - Z95 * error,
        high=None if error is None else row.score + Z95 * error, note=row.note, source=row.source,
    )  # fmt: skip


def _mean(rows: Sequence[ScoreRow], benchmarks: Sequence[str]) -> ScoreRow:
    """Average one model's rows; their errors are independent, and the interval is as wide as they say."""
    percents = [PERCENT / SCALES.get(name, PERCENT) for name in benchmarks]
    score = sum(row.score * percent for row, percent in zip(rows, percents, strict=True)) / len(rows)
    half = [
        None if row.low is None or row.high is None else (row.high - row.low) / 2 * percent
        for row, percent in zip(rows, percents, strict=True)
    ]
    known = [value for value in half if value is not None]
    spread = math.hypot(*known) / len(rows) if len(known) == len(rows) else None
    first = rows[0]
    return ScoreRow(
        model=first.model, group=first.group, activated=first.activated, score=score, note="",
        low=None if spread is None else score - spread, high=None if spread is None else score + spread,
        source=first.source,
    )  # fmt: skip
