"""The rows of the report's tables: our scores among the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vl2.evaluation.published import OURS, Published, published_rows
from vl2.evaluation.results import Results
from vl2.evaluation.statistics import Z95
from vl2.evaluation.summary import Summary

BILLION = 1e9
RUN = "this run"  # the group of what was measured here


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


def wrong_share(summary: Summary) -> Iterator[str]:
    """Yield what a reader has to know beside a score."""
    if summary.unparsed:
        yield f"{summary.unparsed:.1%} could not be read"
    if summary.errors:
        yield f"{summary.errors:.1%} were not answered"
    if summary.judged:
        yield f"{summary.judged} judged by a model"


def _measured(summary: Summary) -> ScoreRow:
    activated = summary.activated_parameters
    notes = [f"{summary.num_rows} questions, prompts {summary.profile}, rules {summary.dialect}", *wrong_share(summary)]
    return ScoreRow(
        model=summary.model, group=RUN, activated=activated / BILLION if activated else None, score=summary.score,
        low=summary.low, high=summary.high, note="; ".join(notes), source="measured here",
    )  # fmt: skip


def _published(row: Published) -> ScoreRow:
    error = row.standard_error
    return ScoreRow(
        model=row.model, group=row.group, activated=row.activated, score=row.score,
        low=None if error is None else row.score - Z95 * error,
        high=None if error is None else row.score + Z95 * error, note=row.note, source=row.source,
    )  # fmt: skip
