"""Report: one HTML page of a run, or of several, that needs nothing beside it. Everything that rows say is escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from vl2.core.errors import ImageError
from vl2.core.sample import Sample
from vl2.corpus.facts import KEPT
from vl2.corpus.look import Look, look_at
from vl2.corpus.manifest import write_whole
from vl2.corpus.report_tables import details_of, numbers_of, runs_table
from vl2.corpus.view.card import Card, Rules
from vl2.processor.thumbnail import thumbnail

MOST_TEXT, MOST_PICTURES, MOST_TURNS, MOST_FATES = 600, 4, 8, 40
SIDE = 384  # pixels of a picture
MOST_BYTES = 16_000_000  # of the rows of a page, all runs together
WEB = Path(__file__).parent / "view" / "web"


def write_report(runs: Sequence[Path], out: Path, num_shown: int) -> Path:
    """Write the page of finished runs. Raises VL2Error when one is none."""
    looks = [look_at(run, num_shown) for run in runs]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, to_html(looks).encode("utf-8", "replace"))
    return out


def to_html(looks: Sequence[Look]) -> str:
    """Return the page: of several runs a table of them first."""
    rules = Rules()
    budget = MOST_BYTES // len(looks)
    if len(looks) == 1:
        (look,) = looks
        title, body = look.run.name, _run(look, rules, budget, is_open=True)
    else:
        title = f"{len(looks)} corpus runs"
        sections = [
            f'<section class="run" id="run-{number}">{"".join(_run(look, rules, budget, is_open=False))}</section>'
            for number, look in enumerate(looks)
        ]
        body = [f"<header><h1>{title}</h1>{numbers_of(looks)}</header>", runs_table(looks), *sections]
    style = "".join((WEB / name).read_text(encoding="utf-8") for name in ("page.css", "report.css")) + rules.to_css()
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # a page of hostile rows: no script, and nothing is fetched
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{style}</style>\n" + "\n".join(body) + "\n</html>\n"
    )


def _run(look: Look, rules: Rules, budget: int, *, is_open: bool) -> list[str]:
    share = look.num_kept / look.num_rows if look.num_rows else 0.0
    head = (
        f"<header><h1>{escape(look.run.name)}</h1>"
        f"<p>{look.num_kept:,} of {look.num_rows:,} rows kept ({share:.1%}). "
        f"Not read: {sum(look.skipped.values()):,}.</p>{numbers_of([look])}</header>"
    )
    return [head, *details_of(look, is_open=is_open), *_samples(look, rules, budget)]


def _samples(look: Look, rules: Rules, budget: int) -> list[str]:
    """Return rows of every fate, in so many bytes."""
    card = Card(rules=rules, most_text=MOST_TEXT, most_pictures=MOST_PICTURES, most_turns=MOST_TURNS)
    fates = sorted(look.shown, key=lambda fate: (fate != KEPT, -look.fates[fate], fate))
    parts: list[str] = []
    left = budget
    for fate in fates[: MOST_FATES + 1]:
        articles: list[str] = []
        for sample in look.samples(fate):
            articles.append(_article(sample, card))
            left -= len(articles[-1].encode("utf-8", "replace"))
            if left < 0:
                break
        if articles:
            told = "Kept" if fate == KEPT else f"Rejected by {escape(fate)}"
            title = f'<h3>{told} <small class="n">{look.fates[fate]:,}</small></h3>'
            parts += [title, f'<div class="rows">{"".join(articles)}</div>']
        if left < 0:
            parts.append('<p class="left-out">More rows are left out: the page would be too large.</p>')
            break
    return ["<h2>Rows</h2>", *parts] if parts else []


def _article(sample: Sample, card: Card) -> str:
    tail = ""
    if "because_of" in sample.decision:
        tail = f"<br>because of {escape(str(sample.decision['because_of']))}"
    origin = f"{sample.provenance['source']} {sample.provenance['source_id']}"
    shown = card.to_html(sample, lambda number: _as_data(sample, number))
    footer = f"<footer>{escape(sample.id)}<br>{escape(origin[:300])}{tail}</footer>"
    return f"<article>{shown}{footer}</article>"


def _as_data(sample: Sample, number: int) -> str | None:
    """Return a small picture as an address that holds it, None when it cannot be decoded."""
    try:
        small = thumbnail(sample.images[number], SIDE, alpha="white")
    except ImageError:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"
