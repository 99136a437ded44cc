"""The report as one HTML page that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from vl2.evaluation.published import SPLITS
from vl2.evaluation.report.answers import answers_browser
from vl2.evaluation.report.figures import NUM_COLOURS, Scale, bar, degradation_panels, scatter, strip, strip_scale
from vl2.evaluation.report.rows import (
    ScoreRow,
    asked_how,
    by_task,
    columns_of,
    degraded_series,
    failed,
    mean_rows,
    parameters,
    plain_runs,
    score_rows,
)
from vl2.evaluation.report.wrong import wrong_answers
from vl2.evaluation.results import Results
from vl2.evaluation.summary import Part, Summary

FOLDER = Path(__file__).parent
INTERVALS = (
    "Intervals are 95 %: of our own scores by bootstrap over images or documents; of published ones binomial, which is "
    "the most that partial credit can make them."
)
MOST_PARTS = 40


def to_page(runs: Sequence[Results]) -> str:
    """Return the page of all runs."""
    style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    policy = f"default-src 'none'; img-src data:; style-src {_hashed(style)}; script-src {_hashed(script)}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Scores</title>\n'
        f"<style>{style}</style>\n</head>\n<body>\n<main>\n{''.join(_body(runs))}</main>\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _body(runs: Sequence[Results]) -> Iterator[str]:
    names = ", ".join(dict.fromkeys(run.summary.model for run in runs))
    yield f'<header><h1>Scores of {escape(names)}</h1>\n<p class="dim">{INTERVALS}</p></header>\n'
    tasks = by_task(runs)
    yield _overview(tasks)
    benchmarks, rows = mean_rows(runs)
    if figure := scatter(rows, "mean"):
        yield f"<section><h2>Mean of {len(benchmarks)} benchmarks</h2>\n"
        yield f'<p class="dim">{escape(", ".join(benchmarks))}, each in percent of its best possible score.</p>\n'
        yield f'<div class="wide figure">{figure}</div></section>\n'
    for number, (title, own) in enumerate(tasks.items()):
        yield f'<section id="b{number}"><h2>{escape(title)}</h2>\n'
        yield from _benchmark(title, own, is_alone=len(runs) == 1)
        yield "</section>\n"


def _overview(tasks: dict[str, list[Results]]) -> str:
    head = (("benchmark", ""), ("model", ""), ("score", "number"), ("95 %", "span"), ("not read", "number"),
            ("errors", "number"), ("how", ""))  # fmt: skip
    body = "".join(
        f'<tr><td><a href="#b{number}">{escape(title)}</a></td><td class="model">{escape(one.model)}</td>'
        f'<td class="number"><strong>{one.score:.1f}</strong></td><td class="span">{one.low:.1f} to {one.high:.1f}</td>'
        f'<td class="number">{one.unparsed:.1%}</td><td class="number">{one.errors:.1%}</td>'
        f'<td class="how">{escape(asked_how(one))}</td></tr>'
        for number, (title, own) in enumerate(tasks.items())
        for one in (run.summary for run in plain_runs(own))
    )
    return _table(head, body) if body else ""


def _benchmark(title: str, runs: Sequence[Results], *, is_alone: bool) -> Iterator[str]:
    plain = plain_runs(runs)
    if plain:
        yield f'<p class="dim">{escape(_told(plain[0].summary))}</p>\n'
        rows = score_rows(plain)
        figure = scatter(rows, title)
        shown = f'<div class="wide figure">{figure}</div>' if figure else ""
        yield f'<div class="beside">{shown}{_scores(rows)}</div>\n'
    parts = "".join(part for run in plain for part in _parts(run))
    yield f'<div class="parts">{parts}</div>\n' if parts else ""
    yield _degradations(title, runs)
    for run in plain:
        yield answers_browser(run.summary.model, wrong_answers(run), is_open=is_alone)


def _told(summary: Summary) -> str:
    told = summary.metric
    column = columns_of(summary)
    if column in SPLITS:
        told += f". Published scores are of the {SPLITS[column]} split"
        told += f"; these rows are {Path(summary.data).name}" if summary.data else ""
        told += f", {summary.split}" if summary.split else ""
    return told


def _scores(rows: Sequence[ScoreRow]) -> str:
    sources = {source: number for number, source in enumerate(dict.fromkeys(row.source for row in rows), start=1)}
    scale = strip_scale(rows)
    head = (
        ("model", ""),
        ("activated", "number"),
        ("score", "number"),
        ("95 %", ""),
        ("", "span"),
        ("source", "number"),
    )
    body = "".join(_score(row, scale, sources[row.source]) for row in rows)
    listed = "".join(f"<li>{escape(source)}</li>" for source in sources)
    return f'<div>{_table(head, body)}<ol class="sources">{listed}</ol></div>'


def _score(row: ScoreRow, scale: Scale, source: int) -> str:
    interval = "" if row.low is None or row.high is None else f"{row.low:.1f} to {row.high:.1f}"
    note = f'<small class="dim">{escape(row.note)}</small>' if row.note else ""
    return (
        f'<tr class="{row.kind}"><td class="model">{escape(row.model)}{note}</td>'
        f'<td class="number">{parameters(row.activated)}</td><td class="number">{row.score:.1f}</td>'
        f'<td>{strip(row, scale)}</td><td class="span">{interval}</td><td class="number dim">{source}</td></tr>'
    )


def _parts(run: Results) -> Iterator[str]:
    for name, parts in run.summary.parts.items():
        if len(parts) < 2:
            continue
        shown = sorted(parts, key=lambda part: -part.score)[:MOST_PARTS]
        left_out = f", the {MOST_PARTS} best of {len(parts)}" if len(parts) > MOST_PARTS else ""
        full = _full(run.scale, shown)
        head = (("", ""), ("score", "number"), (f"0 to {full:g}", ""), ("95 %", "span"), ("rows", "number"))
        table = _table(head, "".join(_part(part, full) for part in shown))
        yield f"<div><h3>{escape(run.summary.model)} by {escape(name)}{left_out}</h3>{table}</div>"


def _part(part: Part, full: float) -> str:
    return (
        f'<tr><td>{escape(part.name) or "(none)"}</td><td class="number">{part.score:.1f}</td>'
        f"<td>{bar(part.score, part.low, part.high, full)}</td>"
        f'<td class="span">{part.low:.1f} to {part.high:.1f}</td><td class="number dim">{part.num_rows}</td></tr>'
    )


def _full(scale: float, parts: Sequence[Part]) -> float:
    """Return where bars end: at the scale of the benchmark, or at twice that, as of the two halves of MME."""
    highest = max(part.high for part in parts)
    return next((full for full in (scale, 2 * scale) if highest <= full), highest)


def _degradations(title: str, runs: Sequence[Results]) -> str:
    series = degraded_series(runs)
    if not series:
        return ""
    models = dict.fromkeys(one.model for one in series)
    legend = "".join(f'<li class="c{n % NUM_COLOURS}">{escape(model)}</li>' for n, model in enumerate(models))
    worst = "".join(
        f"<li>{escape(run.model)}, {escape(one.kind)} {level}: {run.score:.1f}; {failed(run)}</li>"
        for one in series
        for level, run in one.summaries.items()
        if level
    )
    panels = "".join(degradation_panels(series, title))
    return (
        f'<h3>Under degradation, by level</h3>\n<ul class="legend">{legend}</ul><div class="panels">{panels}</div>'
        f'<details><summary>Scores under degradation</summary><ul class="dim">{worst}</ul></details>\n'
    )


def _table(head: Sequence[tuple[str, str]], body: str) -> str:
    cells = "".join(f'<th class="{kind}">{name}</th>' for name, kind in head)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>\n'
