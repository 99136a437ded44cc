"""The report in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vl2.evaluation.report.rows import ScoreRow, by_task, parameters, plain_runs, score_rows
from vl2.evaluation.results import Results
from vl2.evaluation.summary import Part, Summary

SPECIAL = str.maketrans({"|": "\\|", "<": "&lt;", "\n": " "})


def to_markdown(runs: Sequence[Results]) -> str:
    """Return the tables of all runs."""
    return "\n".join(_lines(runs)) + "\n"


def _lines(runs: Sequence[Results]) -> Iterator[str]:
    yield "# Scores"
    for title, own in by_task(plain_runs(runs)).items():
        summary = own[0].summary
        yield from ("", f"## {title}", "", f"{summary.metric}; intervals of 95 %, of published scores binomial.", "")
        yield from ("| model | activated | score | 95 % | note | source |", "|---|---|---|---|---|---|")
        for row in score_rows(own):
            yield _row(row)
        for run in own:
            for name, parts in run.summary.parts.items():
                if len(parts) > 1:
                    yield from ("", f"By {name}, {run.summary.model.translate(SPECIAL)}:", "")
                    yield from ("| | rows | score | 95 % |", "|---|---|---|---|")
                    yield from map(_part, parts)
    worse = [run.summary for run in runs if run.summary.degradation is not None]
    if worse:
        yield from ("", "## Under degradation", "")
        yield from ("| benchmark | model | kind | level | score | 95 % |", "|---|---|---|---|---|---|")
        yield from map(_worse, worse)


def _part(part: Part) -> str:
    interval = f"{part.low:.1f} to {part.high:.1f}"
    return f"| {part.name.translate(SPECIAL)} | {part.num_rows} | {part.score:.1f} | {interval} |"


def _worse(one: Summary) -> str:
    assert one.degradation is not None
    cells = (one.title, one.model.translate(SPECIAL), one.degradation.kind, str(one.degradation.level),
             f"{one.score:.1f}", f"{one.low:.1f} to {one.high:.1f}")  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _row(row: ScoreRow) -> str:
    size = parameters(row.activated)
    interval = "" if row.low is None or row.high is None else f"{row.low:.1f} to {row.high:.1f}"
    name = row.model.translate(SPECIAL)
    name = f"**{name}**" if row.is_run else name
    cells = (name, size, f"{row.score:.1f}", interval, row.note.translate(SPECIAL), row.source)
    return f"| {' | '.join(cells)} |"
