"""The report in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vl2.evaluation.report.answers import short
from vl2.evaluation.report.rows import (
    ScoreRow,
    by_task,
    degraded_series,
    drops,
    mean_rows,
    parameters,
    plain_runs,
    score_rows,
)
from vl2.evaluation.report.wrong import spread
from vl2.evaluation.results import Results
from vl2.evaluation.summary import Part, ScoredLine

SPECIAL = str.maketrans({
    "&": "&amp;", "|": "\\|", "<": "&lt;", "\n": " ", "\r": " ", "`": "\\`", "[": "\\[", "]": "\\]", "*": "\\*",
    "_": "\\_", "!": "\\!", "\\": "\\\\",
})  # fmt: skip
MOST_WRONG = 10  # a run
MOST_TEXT = 160  # letters of an answer
BLOCKS = 20  # of a bar


def to_markdown(runs: Sequence[Results]) -> str:
    """Return the tables of all runs."""
    return "\n".join(_lines(runs)) + "\n"


def _lines(runs: Sequence[Results]) -> Iterator[str]:
    yield "# Scores"
    benchmarks, means = mean_rows(runs)
    if means:
        yield from ("", f"## Mean of {', '.join(benchmarks)}, in percent", "")
        yield from ("| model | activated | score | 95 % |", "|---|---|---|---|")
        yield from (_cells(*_name_and_score(row)) for row in means)
    for title, own in by_task(runs).items():
        plain = plain_runs(own)
        yield from ("", f"## {title}", "")
        if plain:
            yield from _benchmark(plain)
        for run in plain:
            yield from _parts(run)
        yield from _degradations(own)
        for run in plain:
            yield from _wrong(run)


def _benchmark(runs: Sequence[Results]) -> Iterator[str]:
    yield from (f"{runs[0].summary.metric}; intervals of 95 %, of published scores binomial.", "")
    yield from ("| model | activated | score | 95 % | note | source |", "|---|---|---|---|---|---|")
    for row in score_rows(runs):
        yield _cells(*_name_and_score(row), plain_text(row.note), row.source)


def _name_and_score(row: ScoreRow) -> tuple[str, ...]:
    name = plain_text(row.model)
    interval = "" if row.low is None or row.high is None else f"{row.low:.1f} to {row.high:.1f}"
    return f"**{name}**" if row.is_run else name, parameters(row.activated), f"{row.score:.1f}", interval


def _parts(run: Results) -> Iterator[str]:
    for name, parts in run.summary.parts.items():
        if len(parts) > 1:
            yield from ("", f"By {plain_text(name)}, {plain_text(run.summary.model)}:", "")
            yield from ("| | rows | score | 95 % | |", "|---|---|---|---|---|")
            full = max(run.scale, *(part.high for part in parts))
            yield from (_part(part, full) for part in parts)


def _part(part: Part, full: float) -> str:
    bar = "█" * round(BLOCKS * max(0.0, part.score) / full)
    interval = f"{part.low:.1f} to {part.high:.1f}"
    return _cells(plain_text(part.name), str(part.num_rows), f"{part.score:.1f}", interval, bar)


def _degradations(runs: Sequence[Results]) -> Iterator[str]:
    series = degraded_series(runs)
    if series:
        yield from ("", "Under degradation:", "")
        yield from (
            "| model | kind | level | score | 95 % | drop | not read | errors |",
            "|---|---|---|---|---|---|---|---|",
        )
    for one in series:
        for worse, run, drop in drops(one):
            told = (worse.kind, str(worse.level), f"{run.score:.1f}", f"{run.low:.1f} to {run.high:.1f}")
            lost = "" if drop is None else f"{drop:.1f}"
            yield _cells(plain_text(run.model), *told, lost, f"{run.unparsed:.1%}", f"{run.errors:.1%}")


def _wrong(run: Results) -> Iterator[str]:
    lines = [line for line in run.lines if not line.credit]
    if lines:
        yield from ("", f"Of {len(lines)} answers of {plain_text(run.summary.model)} without credit:", "")
        yield from ("| state | category | asked | accepted | said | read as |", "|---|---|---|---|---|---|")
        yield from map(_wrong_line, spread(lines, MOST_WRONG))


def _wrong_line(line: ScoredLine) -> str:
    gold = ", ".join(line.answers) or (", ".join(f"{corner:.0f}" for corner in line.box) if line.box else "")
    told = (line.category, line.question, gold, line.said, line.parsed if line.parsed != line.said else "")
    return _cells(line.state, *(plain_text(short(text, MOST_TEXT)) for text in told))


def plain_text(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return " ".join(text.translate(SPECIAL).split())


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
