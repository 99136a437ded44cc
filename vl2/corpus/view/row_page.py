"""Row page: one row whole: all its pictures and turns, what it was made of, how it was measured, what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from vl2.core.sample import Sample
from vl2.corpus.step import is_kept
from vl2.corpus.view.card import Card, Rules
from vl2.corpus.view.frame import OWN, Page, framed, picture_address, row_address, run_address
from vl2.corpus.view.index import Index
from vl2.corpus.view.run_page import badge_of

FIRST = (
    "source",
    "source_id",
    "licence",
    "url",
    "parents",
    "pipeline",
    "versions",
    "caption",
)  # the others as they come
ONE_LINE = 160  # characters
MOST_TEXT, MOST_PICTURES, MOST_OBJECTS, MOST_VALUE = 200_000, 100, 500, 4000


def row_page(index: Index, row: int, nonce: str) -> Page:
    """Return a row by number. Raises VL2Error when there is none."""
    sample, name, rules = index.read(row), index.run.name, Rules()
    card = Card(rules=rules, most_text=MOST_TEXT, most_pictures=MOST_PICTURES)
    shown = card.to_html(sample, lambda number: picture_address(name, sample.id, number, row))
    body = (
        f'<nav class="pager"><span>{badge_of(sample)}{_because(sample)}</span><span class="ways">'
        f"{_way('prev', 'Earlier', index, row - 1)}{_way('next', 'Later', index, row + 1)}</span></nav>"
        f'<article class="card whole"><header><span class="mono">{escape(sample.id)}</span>'
        f'<span class="soft">row {row:,} of {len(index):,}</span></header><div class="row">{shown}</div></article>'
        f'<div class="facts">{_provenance(sample)}{_qualities(sample)}{_objects(sample)}</div>'
    )
    crumbs = [(run_address(name), name), (row_address(name, sample.id, row), sample.id[:12])]
    return framed(f"{name} {sample.id[:12]}", body, rules, nonce, crumbs)


def find_address(row_id: str) -> str:
    """Return where a row is looked for in all runs."""
    return f"{OWN}find?id={quote(row_id, safe='')}"


def _way(rel: str, told: str, index: Index, row: int) -> str:
    if not 0 <= row < len(index):
        return ""
    return f'<a class="button" rel="{rel}" href="{run_address(index.run.name)}at/{row}">{told}</a>'


def _because(sample: Sample) -> str:
    other = sample.decision.get("because_of") if not is_kept(sample) else None
    return f" because of {_link(str(other))}" if other is not None else ""


def _provenance(sample: Sample) -> str:
    lines = []
    known = [name for name in FIRST if name in sample.provenance]
    for name in [*known, *(name for name in sample.provenance if name not in FIRST)]:
        value = sample.provenance[name]
        if name == "parents" and isinstance(value, list):
            told = "<br>".join(_link(str(parent)) for parent in value[:MOST_OBJECTS]) or "none"
        else:
            told = _value(value)
        lines.append(f"<dt>{escape(str(name)[:80])}</dt><dd>{told}</dd>")
    if sample.answers:
        lines.append(
            f"<dt>answers</dt><dd>{'<br>'.join(escape(answer[:MOST_VALUE]) for answer in sample.answers)}</dd>"
        )
    return f'<section class="wide"><h2>Where it is from</h2><dl>{"".join(lines)}</dl></section>'


def _value(value: Any) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, Mapping) and all(isinstance(one, str | int | float) for one in value.values()):
        text = "\n".join(f"{key}: {one}" for key, one in value.items())
    elif isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        text = "\n".join(value)
    else:
        text = json.dumps(value, ensure_ascii=False)
        text = text if len(text) < ONE_LINE else json.dumps(value, ensure_ascii=False, indent=1)
    tail = '<span class="left-out">…</span>' if len(text) > MOST_VALUE else ""
    return escape(text[:MOST_VALUE]) + tail if text else '<span class="soft">–</span>'


def _qualities(sample: Sample) -> str:
    pairs = sorted(sample.quality.items())
    lines = "".join(f'<tr><td>{escape(name)}</td><td class="n">{value:.6g}</td></tr>' for name, value in pairs)
    return f"<section><h2>Quality</h2><table>{lines}</table></section>" if lines else ""


def _objects(sample: Sample) -> str:
    lines = "".join(
        f'<tr><td>{escape(item.label[:200])}</td><td>{escape(item.kind[:40])}</td><td class="n">{item.image + 1}</td>'
        f'<td class="n mono">{", ".join(f"{corner:g}" for corner in item.box)}</td></tr>'
        for item in sample.objects[:MOST_OBJECTS]
    )
    if not lines:
        return ""
    head = '<tr><th>label</th><th>kind</th><th class="n">image</th><th class="n">corners in pixels</th></tr>'
    left = len(sample.objects) - MOST_OBJECTS
    more = f'<p class="left-out">{left:,} more</p>' if left > 0 else ""
    return f'<section><h2>Objects</h2><div class="table"><table>{head}{lines}</table></div>{more}</section>'


def _link(row_id: str) -> str:
    return f'<a class="mono" href="{escape(find_address(row_id))}">{escape(row_id[:80])}</a>'
