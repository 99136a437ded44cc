"""The report as one HTML page that loads nothing. What models said is text on it, never markup."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from vl2.evaluation.report.figures import degradation_curves, scatter
from vl2.evaluation.report.rows import ScoreRow, by_task, parameters, plain_runs, score_rows
from vl2.evaluation.report.wrong import MOST_WRONG, WrongAnswer, wrong_answers
from vl2.evaluation.results import Results
from vl2.evaluation.summary import Part

FOLDER = Path(__file__).parent
INTERVALS = "Intervals are 95 %: of our own scores by bootstrap over images or documents, of published ones binomial."
MOST_TEXT = 600  # letters of an answer that are shown
MOST_PARTS = 40


def to_page(runs: Sequence[Results]) -> str:
    """Return the page of all runs."""
    script = (FOLDER / "script.js").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Scores</title>\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>\n{''.join(_body(runs))}</main>\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _body(runs: Sequence[Results]) -> Iterator[str]:
    names = ", ".join(dict.fromkeys(run.summary.model for run in runs))
    yield f"<h1>Scores of {escape(names)}</h1>\n"
    yield f'<p class="dim">{INTERVALS}</p>\n'
    all_runs = by_task(runs)
    for title, own in all_runs.items():
        plain = plain_runs(own)
        yield f"<h2>{escape(title)}</h2>\n"
        if plain:
            yield f'<p class="dim">{escape(plain[0].summary.metric)}</p>\n'
            rows = score_rows(plain)
            yield _table(rows)
            yield scatter(rows, title)
        yield degradation_curves(own, title)
        for run in plain:
            yield from _parts(run)
            yield _wrong(run)


def _table(rows: Sequence[ScoreRow]) -> str:
    reach = [value for row in rows for value in (row.low, row.high, row.score) if value is not None]
    low, spread = min(reach), (max(reach) - min(reach)) or 1.0
    head = "".join(
        f'<th{" class=number" if name in ("activated", "score") else ""}>{name}</th>'
        for name in ("model", "activated", "score", "95 %", "", "note", "source")
    )
    body = "".join(_table_row(row, low, spread) for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n'


def _table_row(row: ScoreRow, low: float, spread: float) -> str:
    kind = "run" if row.is_run else "family" if row.is_family else "other"
    size = parameters(row.activated)
    interval = bar = ""
    if row.low is not None and row.high is not None:
        interval = f"{row.low:.1f} to {row.high:.1f}"
        begin, length = (100 * (row.low - low) / spread, 100 * (row.high - row.low) / spread)
        bar = f'<i style="left:{begin:.1f}%;width:{length:.1f}%"></i>'
    at = f'<b style="left:{100 * (row.score - low) / spread:.1f}%"></b>'
    return (
        f'<tr class="{kind}"><td>{escape(row.model)}</td><td class="number">{size}</td>'
        f'<td class="number">{row.score:.1f}</td><td class="span">{interval}</td>'
        f'<td><div class="track">{bar}{at}</div></td>'
        f"<td>{escape(row.note)}</td><td>{escape(row.source)}</td></tr>"
    )


def _parts(run: Results) -> Iterator[str]:
    for name, parts in run.summary.parts.items():
        if len(parts) < 2:
            continue
        shown = sorted(parts, key=lambda part: -part.score)[:MOST_PARTS]
        left_out = f" (the {MOST_PARTS} best of {len(parts)})" if len(parts) > MOST_PARTS else ""
        yield f"<h3>{escape(run.summary.model)} by {escape(name)}{left_out}</h3>\n"
        yield '<div class="wide"><table><tbody>' + "".join(map(_part, shown)) + "</tbody></table></div>\n"


def _part(part: Part) -> str:
    begin, end = (min(100.0, max(0.0, value)) for value in (part.low, part.high))
    at = f'<b style="left:{min(100.0, part.score):.1f}%"></b>'
    track = f'<i style="left:{begin:.1f}%;width:{end - begin:.1f}%"></i>{at}'
    return (
        f'<tr class="run"><td>{escape(part.name) or "(none)"}</td><td class="number">{part.num_rows} rows</td>'
        f'<td class="number">{part.score:.1f}</td><td class="span">{part.low:.1f} to {part.high:.1f}</td>'
        f'<td><div class="track">{track}</div></td></tr>'
    )


def _wrong(run: Results) -> str:
    wrong = wrong_answers(run)
    if not wrong.num_wrong:
        return '<p class="dim">No answer was wrong.</p>\n'
    told = f"{wrong.num_wrong} answers without credit"
    told += f", the first {MOST_WRONG} are shown" if wrong.num_wrong > MOST_WRONG else ""
    told += f". Without pictures: {wrong.problem}" if wrong.problem else ". Green is the true box, red what was said."
    states = [answer.line.state for answer in wrong.answers]
    categories = [answer.line.category for answer in wrong.answers]
    filters = _filter("state", states) + _filter("category", categories)
    cards = "".join(map(_card, wrong.answers))
    return (
        f'<section class="wrong"><h3>Wrong answers of {escape(run.summary.model)}</h3><p class="dim">{escape(told)}</p>'
        f'<div class="filters">{filters}</div><div class="answers">{cards}</div></section>\n'
    )


def _filter(name: str, values: Sequence[str]) -> str:
    options = "".join(f"<option>{escape(value)}</option>" for value in dict.fromkeys(values) if value)
    if not options:
        return ""
    return f'<select name="{name}" aria-label="{name}"><option value="">every {name}</option>{options}</select>'


def _card(answer: WrongAnswer) -> str:
    line = answer.line
    told_of = escape(f"image of {line.id}")
    pictures = "".join(f'<img src="{escape(url)}" alt="{told_of}" loading="lazy">' for url in answer.pictures)
    gold = " | ".join(line.answers) or (", ".join(f"{corner:.0f}" for corner in line.box) if line.box else "")
    facts = (("asked", "", line.question), ("accepted", "gold", gold), ("said", "said", line.said),
             ("read as", "", line.parsed if line.parsed != line.said else ""), ("state", "", line.state))  # fmt: skip
    told = "".join(
        f'<dt>{name}</dt><dd class="{kind}">{escape(_short(text))}</dd>' for name, kind, text in facts if text
    )
    return (
        f'<article class="answer" data-state="{escape(line.state)}" data-category="{escape(line.category)}">'
        f"{pictures}<dl>{told}</dl></article>"
    )


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} …"
