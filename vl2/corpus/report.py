"""Report: one HTML page of a run that needs nothing beside it. Everything that rows say is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from vl2.core.sample import BoxesPart, ImagePart, Sample, TextPart
from vl2.corpus.look import KEPT, Look, look_at
from vl2.corpus.manifest import write_whole
from vl2.corpus.thumbnail import thumbnail

MOST_TEXT, MOST_PICTURES, MOST_REASONS = 600, 4, 40
BINS, BAR_WIDTH, PLOT_HEIGHT = 30, 8, 72

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1d232b;background:#fff;margin:0 auto;max-width:1120px;padding:24px}
h1{font-size:26px;margin:0}h2{font-size:19px;margin:36px 0 10px}h3{font-size:15px;margin:20px 0 8px}
p{margin:6px 0;color:#56606c}table{border-collapse:collapse}
td,th{padding:4px 14px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid #e4e8ee}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.bar{background:#e4e8ee;width:260px;height:12px}
.bar i{display:block;height:12px;background:#3566c8}
.plots,.rows{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(250px,1fr))}
.rows{grid-template-columns:repeat(auto-fill,minmax(330px,1fr));align-items:start}
figure,article{margin:0;border:1px solid #e4e8ee;border-radius:6px;padding:10px}
figcaption{font-size:13px;overflow-wrap:anywhere}figure small,article small{color:#56606c}
svg{display:block;width:100%}article{overflow-wrap:anywhere;font-size:13px}
article img{max-width:100%;margin:0 6px 6px 0}
article b{color:#3566c8}article p{color:#1d232b;white-space:pre-wrap}mark{background:#ffe3c2}
.kept{fill:#3566c8}.rejected{fill:#d9822b}
"""


def write_report(run: Path, out: Path, num_shown: int) -> Path:
    """Write the page of a finished run. Raises VL2Error when there is none."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, to_html(look_at(run, num_shown), run.resolve().name).encode("utf-8", "replace"))
    return out


def to_html(look: Look, name: str) -> str:
    """Return the page."""
    share = look.num_kept / look.num_rows if look.num_rows else 0.0
    body = [
        f"<h1>{escape(name)}</h1>",
        f"<p>{look.num_kept:,} of {look.num_rows:,} rows kept ({share:.1%}). Not read: {sum(look.skipped.values()):,}."
        "</p>",
        *_funnel(look),
        *_table("Rows that could not be read", ("reason",), ((k,) for k in look.skipped), look.skipped.values()),
        *_table("Licences", ("licence", "source"), look.licences, look.licences.values()),
        *_table("Languages", ("language",), ((k,) for k in look.languages), look.languages.values()),
        *_formats(look.formats),
        *_histograms(look),
        *_samples(look),
    ]
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        # a page of hostile rows: no script, and nothing is fetched
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(name)}</title><style>{STYLE}</style>\n" + "\n".join(body) + "\n</html>\n"
    )


def _funnel(look: Look) -> list[str]:
    first = max((passed.kept_before for passed in look.funnel), default=0)
    lines = []
    for passed in look.funnel:
        share = passed.kept / first if first else 0.0
        reasons = [f"{number:,} {escape(reason)}" for reason, number in list(passed.reasons.items())[:MOST_REASONS]]
        lines.append(
            f'<tr><td>{escape(passed.step)}</td><td class="n">{passed.kept_before - passed.kept:,}</td>'
            f'<td class="n">{passed.kept:,}</td><td><div class="bar"><i style="width:{share:.1%}"></i></div></td>'
            f"<td>{'<br>'.join(reasons)}</td></tr>"
        )
    head = '<tr><th>step</th><th class="n">rejected</th><th class="n">kept</th><th></th><th>reasons</th></tr>'
    return ["<h2>Steps</h2>", f"<table>{head}{''.join(lines)}</table>"]


def _table(title: str, columns: Sequence[str], keys: Iterable[Sequence[str]], counts: Iterable[int]) -> list[str]:
    rows = sorted(zip(keys, counts, strict=True), key=lambda row: (-row[1], row[0]))
    if not rows:
        return []
    total = sum(number for _, number in rows)
    head = "".join(f"<th>{column}</th>" for column in columns)
    lines = [
        f"<tr>{''.join(f'<td>{escape(word)}</td>' for word in key)}"
        f'<td class="n">{number:,}</td><td class="n">{number / total:.1%}</td></tr>'
        for key, number in rows
    ]
    table = f'<table><tr>{head}<th class="n">rows</th><th class="n">share</th></tr>{"".join(lines)}</table>'
    return [f"<h2>{title}</h2>", table]


def _formats(formats: Mapping[str, tuple[int, int]]) -> list[str]:
    lines = [
        f'<tr><td>{escape(name)}</td><td class="n">{files:,}</td><td class="n">{size / 1e6:,.1f} MB</td></tr>'
        for name, (files, size) in formats.items()
    ]
    head = '<tr><th>format</th><th class="n">files</th><th class="n">size</th></tr>'
    return ["<h2>Written</h2>", f"<table>{head}{''.join(lines)}</table>"] if lines else []


def _histograms(look: Look) -> list[str]:
    fields = {name: tuple(map(np.asarray, pair)) for name, pair in sorted(look.quality.items())}
    same = {name: both[0] for name, pair in fields.items() if np.ptp(both := np.concatenate(pair)) == 0}
    plots = [_histogram(name, *pair) for name, pair in fields.items() if name not in same]
    note = "<p>Blue: kept rows. Orange, on top: rejected rows that got that far.</p>"
    told = ", ".join(f"{escape(name)} {value:.4g}" for name, value in same.items())
    tail = [f"<p>The same in all rows: {told}.</p>"] if same else []
    return ["<h2>Quality</h2>", note, f'<div class="plots">{"".join(plots)}</div>', *tail] if fields else []


def _histogram(name: str, kept: np.ndarray, rejected: np.ndarray) -> str:
    """Return the plot of one field; its ends are the 0.5th and 99.5th percentile, beyond which values are clipped."""
    both = np.concatenate([kept, rejected])
    low, high = (float(value) for value in np.percentile(both, (0.5, 99.5)))
    high = high if high > low else low + 1
    counts = [np.histogram(np.clip(values, low, high), BINS, (low, high))[0] for values in (kept, rejected)]
    scale = PLOT_HEIGHT / max(1, int((counts[0] + counts[1]).max()))
    bars = []
    for number, (blue, orange) in enumerate(zip(*counts, strict=True)):
        top = PLOT_HEIGHT - scale * blue
        bars.append(
            _bar(number, top, scale * blue, "kept") + _bar(number, top - scale * orange, scale * orange, "rejected")
        )
    middle = float(np.median(both))
    told = f"{low:.4g} to {high:.4g}, median {middle:.4g}"
    return (
        f'<figure><svg viewBox="0 0 {BINS * BAR_WIDTH} {PLOT_HEIGHT}" role="img">{"".join(bars)}</svg>'
        f"<figcaption>{escape(name)}<br><small>{told}</small></figcaption></figure>"
    )


def _bar(number: int, top: float, height: float, kind: str) -> str:
    if height <= 0:
        return ""
    return (
        f'<rect class="{kind}" x="{number * BAR_WIDTH}" y="{top:.1f}" width="{BAR_WIDTH - 1}" height="{height:.1f}"/>'
    )


def _samples(look: Look) -> list[str]:
    parts: list[str] = []
    kinds = sorted(look.shown, key=lambda kind: (kind != KEPT, kind))
    for kind in kinds[: MOST_REASONS + 1]:
        samples = look.shown[kind].samples()
        if samples:
            title = "Kept" if kind == KEPT else f"Rejected by {escape(kind)}"
            parts += [f"<h3>{title}</h3>", f'<div class="rows">{"".join(map(_article, samples))}</div>']
    return ["<h2>Samples</h2>", *parts] if parts else []


def _article(sample: Sample) -> str:
    pictures = "".join(
        f'<img alt="" src="data:image/jpeg;base64,{data}">' if data else "<p>[a picture that cannot be shown]</p>"
        for data in (thumbnail(sample, number) for number in range(min(len(sample.images), MOST_PICTURES)))
    )
    turns = "".join(
        f"<p><b>{message.role}</b> {_shorten(''.join(map(_told, message.parts)))}</p>" for message in sample.messages
    )
    tail = ""
    if "because_of" in sample.decision:
        tail = f"<br><small>because of {escape(str(sample.decision['because_of']))}</small>"
    origin = f"{sample.provenance['source']} {sample.provenance['source_id']}"
    return f"<article>{pictures}{turns}<small>{escape(sample.id)}<br>{escape(origin)}</small>{tail}</article>"


def _told(part: TextPart | ImagePart | BoxesPart) -> str:
    match part:
        case TextPart(text):
            return text
        case ImagePart():
            return "[image]"
        case BoxesPart(label, boxes):
            return f"[{label}: {', '.join(str(list(box.thousandths())) for box in boxes)}]" if boxes else f"[{label}?]"


def _shorten(text: str) -> str:
    return escape(text[:MOST_TEXT]) + ("<mark>…</mark>" if len(text) > MOST_TEXT else "")
