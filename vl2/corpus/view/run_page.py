"""Run page: the rows of one run, a page at a time, with the filters that its address tells; and the list of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from vl2.core.sample import Sample
from vl2.corpus.facts import KEPT
from vl2.corpus.filters.language import LANGUAGES
from vl2.corpus.step import is_kept
from vl2.corpus.view.card import Card, Rules
from vl2.corpus.view.frame import Page, framed, picture_address, row_address, run_address
from vl2.corpus.view.index import Index
from vl2.corpus.view.wanted import REJECTED, Found, Wanted, find_rows

ROWS, MOST_TEXT, MOST_PICTURES, MOST_TURNS = 20, 2000, 6, 20
MOST_OPTIONS = 200
KEYS = (
    '<p class="keys"><kbd>j</kbd> <kbd>k</kbd> from row to row, <kbd>o</kbd> opens one, <kbd>n</kbd> <kbd>p</kbd> '
    "later and earlier, <kbd>u</kbd> up, <kbd>/</kbd> search</p>"
)


def runs_page(runs: Mapping[str, Index], unfinished: Sequence[str], nonce: str) -> Page:
    """Return the list of runs."""
    lines = []
    for name, index in runs.items():
        share = index.num_kept / len(index) if len(index) else 0.0
        written = ", ".join(map(str, index.run.recipe["write"]))
        lines.append(
            f'<tr><td><a href="{run_address(name)}">{escape(name)}</a></td><td class="n">{len(index):,}</td>'
            f'<td class="n">{index.num_kept:,}</td><td class="n soft">{share:.0%}</td>'
            f'<td class="n">{len(index) - index.num_kept:,}</td>'
            f'<td class="soft">{escape(written)}</td></tr>'
        )
    head = (
        '<tr><th>run</th><th class="n">rows</th><th class="n">kept</th><th></th><th class="n">rejected</th>'
        "<th>written</th></tr>"
    )
    waiting = f'<p class="soft waiting">Not finished: {escape(", ".join(unfinished))}.</p>' if unfinished else ""
    body = f'<h1>Runs</h1><div class="table runs"><table>{head}{"".join(lines)}</table></div>{waiting}'
    return framed("Runs", body, Rules(), nonce)


def run_page(index: Index, wanted: Wanted, start: int, nonce: str, *, backwards: bool) -> Page:
    """Return the rows from `start` on that are wanted, or those before it."""
    found = find_rows(index, wanted, start, ROWS, backwards=backwards)
    rules = Rules()
    card = Card(rules=rules, most_text=MOST_TEXT, most_pictures=MOST_PICTURES, most_turns=MOST_TURNS)
    articles = "".join(_article(index, row, index.read(row), card) for row in found.rows)
    name = index.run.name
    pager = _pager(index, wanted, found, start, backwards=backwards)
    nothing = "" if articles else f'<p class="notice soft">{_why_nothing(found)}</p>'
    body = (
        f'<h1>{escape(name)}</h1>{_filters(index, wanted)}{pager}{nothing}<div class="cards">{articles}</div>'
        f"{pager + KEYS if articles else ''}"
    )
    return framed(name, body, rules, nonce, [(run_address(name), name)])


def badge_of(sample: Sample) -> str:
    """Return what became of a row, in a word and a colour."""
    if is_kept(sample):
        return '<span class="badge kept">kept</span>'
    step, reason = escape(str(sample.decision["step"])), escape(str(sample.decision["reason"])[:300])
    return f'<span class="badge rejected"><b>{step}</b> {reason}</span>'


def _article(index: Index, row: int, sample: Sample, card: Card) -> str:
    name, told = index.run.name, sample.provenance
    shown = card.to_html(sample, lambda place: picture_address(name, sample.id, place, row))
    number = len(sample.objects)
    objects = f"<span>{number:,} object{'s' if number > 1 else ''}</span>" if number else ""
    return (
        f'<article class="card" id="r{row}"><header>{badge_of(sample)}'
        f'<a class="mono" href="{escape(row_address(name, sample.id, row))}">{escape(sample.id[:12])}</a></header>'
        f'<div class="row">{shown}</div><footer><span>row {row:,}</span><span>{escape(str(told["source"])[:80])}</span>'
        f"<span>{escape(str(told['licence'])[:80])}</span>{objects}</footer></article>"
    )


def _pager(index: Index, wanted: Wanted, found: Found, start: int, *, backwards: bool) -> str:
    """Return where these rows stand, and the ways on and back."""
    first, end = (found.reached, start) if backwards else (start, found.reached)
    told = f"{found.rows[0]:,} to {found.rows[-1]:,}" if found.rows else f"none from {first:,} to {end:,}"
    before = f'<a class="button" rel="prev" href="?{escape(wanted.query(until=first))}">Earlier</a>' if first else ""
    after = f'<a class="button" rel="next" href="?{escape(wanted.query(start=end))}">Later</a>'
    after = after if end < len(index) else ""
    cut = ' <span class="soft">(more may be further on)</span>' if found.is_cut_short else ""
    return (
        f'<nav class="pager"><span>Rows {told} <span class="soft">of {len(index):,}</span>{cut}</span>'
        f'<span class="ways">{before}{after}</span></nav>'
    )


def _why_nothing(found: Found) -> str:
    if found.is_cut_short:
        return "None so far. There is more to look through: go on."
    return "No row is like this."


def _filters(index: Index, wanted: Wanted) -> str:
    rejections = index.rejections.most_common(MOST_OPTIONS)
    steps = dict.fromkeys(name.partition(": ")[0] for name, _ in rejections)
    fates = {
        "": "all rows",
        KEPT: f"kept ({index.num_kept:,})",
        REJECTED: f"rejected ({len(index) - index.num_kept:,})",
    }
    for step in steps:
        reasons = {name: n for name, n in rejections if name.startswith(f"{step}: ")}
        fates[step] = f"{step} ({sum(reasons.values()):,})"
        fates |= {name: f"{name} ({number:,})" for name, number in reasons.items()}
    sources = [str(source["name"]) for source in index.run.recipe["sources"]]
    languages = [*LANGUAGES, *(name for name in list(index.languages.numbers) if name not in LANGUAGES)]
    chosen = [
        _select("fate", "became", fates, wanted.fate),
        _select("source", "source", _named("all", sources, index.sources.numbers), wanted.source),
        _select("language", "language", _named("all", languages), wanted.language),
        _select("field", "quality", _named("–", sorted(index.fields)), wanted.field),
    ]
    bounds = "".join(
        f'<label><span>{told}</span><input name="{name}" value="{escape(getattr(wanted, name))}" inputmode="decimal" '
        'autocomplete="off"></label>'
        for name, told in (("least", "at least"), ("most", "at most"))
    )
    clear = "" if wanted.is_anything else '<a class="button" href="?">Clear</a>'
    return (
        '<form class="filters" role="search">'
        f'<label class="wide"><span>text</span><input name="text" type="search" value="{escape(wanted.text)}" '
        'maxlength="200" placeholder="Words of a conversation" autocomplete="off"></label>'
        f'{"".join(chosen)}{bounds}<div class="ways"><button class="button solid">Show</button>'
        f"{clear}</div></form>"
    )


def _named(nothing: str, *names: Sequence[str] | Mapping[str, int]) -> dict[str, str]:
    every = dict.fromkeys(name for some in names for name in some)
    return {"": nothing, **{name: name for name in list(every)[:MOST_OPTIONS]}}


def _select(name: str, told: str, options: Mapping[str, str], chosen: str) -> str:
    known = options if chosen in options else {**options, chosen: chosen}
    items = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(label[:120])}</option>'
        for value, label in list(known.items())
    )
    return f'<label><span>{told}</span><select name="{name}">{items}</select></label>'
