"""The report of a run as one HTML page that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from vl2.train.watch.report.chart import draw, legend, short
from vl2.train.watch.report.curves import Chart, charts_of
from vl2.train.watch.report.heat import HOTTEST, experts_over_time, fullest_over_time, latest_load
from vl2.train.watch.report.history import History
from vl2.train.watch.screen import duration, seconds_left

FOLDER = Path(__file__).parent
MOST_SPIKES, MOST_SETTINGS, MOST_TEXT = 50, 300, 300


def to_page(history: History) -> str:
    """Return the page."""
    style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    policy = f"default-src 'none'; img-src data:; style-src {_hashed(style)}; script-src {_hashed(script)}"
    name = escape(history.name)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Training: {name}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        f"{''.join(_body(history))}</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _body(history: History) -> Iterator[str]:
    yield f'<header><h1>{escape(history.name)}</h1><p class="dim">{escape(_told(history))}</p></header>\n'
    yield f'<dl class="figures">{"".join(_figure(*one) for one in figures_of(history))}</dl>\n'
    charts = list(charts_of(history))
    yield from (_card(chart) for chart in charts if chart.is_wide)
    yield f'<div class="cards">{"".join(_card(chart) for chart in charts if not chart.is_wide)}</div>\n'
    yield from _loads(history)
    yield from _spikes(history)
    yield from _settings(history.config)


def _told(history: History) -> str:
    last = history.lines[-1]
    told = f"Step {last.step:,}" + (f" of {history.num_steps:,}" if history.num_steps else "")
    if last.seconds:
        told += f", {duration(last.seconds)} of training"
    if left := seconds_left(last):
        told += f", {duration(left)} to go at its last pace"
    if history.num_broken:
        told += f". {history.num_broken:,} lines of the log could not be read"
    return f"{told}."


def figures_of(history: History) -> Iterator[tuple[str, str]]:
    """Yield the last figures by name, those of the whole run after them."""
    for name, (told, show) in LAST.items():
        found = (getattr(line, name) for line in reversed(history.lines))
        value = next((value for value in found if value is not None), None)
        if value is not None:
            yield told, show(value)
    looks = [(line.eval_loss, line.step) for line in history.lines if line.eval_loss is not None]
    if looks:
        best, step = min(looks)
        yield "Best held-out loss", f"{best:.4f} at step {step:,}"
    for name, told in (("tokens", "Tokens in all"), ("tiles", "Tiles in all")):
        total = sum((getattr(line, name) or 0.0) * line.steps for line in history.lines)
        if total:
            yield told, short(total)
    rates = history.lines[-1].learning_rates
    if len(set(rates.values())) == 1:
        rates = {"of all parts": next(iter(rates.values()))}
    for part, rate in rates.items():
        yield f"Learning rate, {part}", f"{rate:.3g}"


# Name of a line's figure: what it is called, and how it is told.
LAST: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "loss": ("Loss", "{:.4f}".format), "eval_loss": ("Held-out loss", "{:.4f}".format),
    "balance_loss": ("Balance loss", "{:.4f}".format), "grad_norm": ("Gradient norm", "{:.3g}".format),
    "tokens_per_second": ("Tokens a second", "{:,.0f}".format),
    "tiles_per_second": ("Tiles a second", "{:,.1f}".format),
    "mfu": ("MFU", "{:.1%}".format), "flops_per_second": ("FLOP a second", short),
    "data_wait": ("Wait for data", "{:.1%}".format), "memory_bytes": ("Memory", lambda size: f"{size / 1e9:.2f} GB"),
    "max_violation": ("MaxVio", "{:.3f}".format),
}  # fmt: skip


def _figure(name: str, value: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _card(chart: Chart) -> str:
    caption = f"<span>{escape(chart.title)}</span><output>{escape(chart.unit)}</output>"
    return f"<figure><figcaption>{caption}</figcaption>{draw(chart)}{legend(chart)}</figure>\n"


def _loads(history: History) -> Iterator[str]:
    latest, fullest = "".join(latest_load(history.lines)), "".join(fullest_over_time(history.lines))
    if not latest:
        return
    yield (
        '<section><h2>Expert load</h2><p class="dim">Clear is an even share. '
        f'<span class="under">Blue</span> is less, down to nothing; <span class="over">orange</span> is more, up to '
        f"{HOTTEST:g} times and beyond.</p>"
    )
    yield f"<figure><figcaption>The latest<output>layers by experts</output></figcaption>{latest}</figure>\n"
    if fullest:
        yield (
            "<figure><figcaption>The fullest expert of each layer<output>layers by steps</output></figcaption>"
            f"{fullest}</figure>\n"
        )
    layers = "".join(
        f"<figure><figcaption>Layer {number}<output>experts by steps</output></figcaption>{shown}</figure>"
        for number, shown in experts_over_time(history.lines)
    )
    if layers:
        yield f'<details><summary>Every layer over time</summary><div class="cards">{layers}</div></details>\n'
    yield "</section>\n"


def _spikes(history: History) -> Iterator[str]:
    spikes = [spike for line in history.lines for spike in line.spikes]
    if not spikes:
        return
    rows = "".join(
        f'<tr><td class="number">{spike.step:,}</td><td>{escape(_cut(spike.reason))}</td>'
        f'<td class="number">{_shown(spike.loss)}</td><td class="number">{_shown(spike.grad_norm)}</td></tr>'
        for spike in spikes[-MOST_SPIKES:]
    )
    named = (("step", "number"), ("reason", ""), ("loss", "number"), ("gradient norm", "number"))
    head = "".join(f'<th class="{kind}">{name}</th>' for name, kind in named)
    told = f"the last {MOST_SPIKES} of {len(spikes):,}" if len(spikes) > MOST_SPIKES else f"{len(spikes)}"
    yield f"<section><h2>Steps left out: {told}</h2>"
    yield f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div></section>\n'


def _settings(config: Mapping[str, Any]) -> Iterator[str]:
    if not config:
        return
    rows = "".join(
        f"<tr><td>{escape(_cut(str(name)))}</td><td>{escape(_cut(json.dumps(value, ensure_ascii=False)))}</td></tr>"
        for name, value in list(config.items())[:MOST_SETTINGS]
    )
    yield f'<section><h2>Settings</h2><div class="wide"><table class="settings">{rows}</table></div></section>\n'


def _shown(value: float | None) -> str:
    return "no number" if value is None else f"{value:.4g}"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} …"
