"""Report tables: the numbers of a report: runs, steps and their reasons, licences, languages, formats, qualities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from vl2.corpus.histogram import is_constant, to_svg
from vl2.corpus.look import TEXT_TOKENS, Look
from vl2.corpus.spread import MOST_VALUES

MOST_LINES = 40  # of a table, and of the reasons of a step
MOST_TOLD = 3  # licences of a run, in the table of all


def numbers_of(looks: Sequence[Look]) -> str:
    """Return the sums of runs, those that are known."""
    tokens = sum((look.tokens for look in looks), Counter())
    told = {"rows kept": sum(look.num_kept for look in looks), "pictures": sum(look.num_pictures for look in looks)}
    counted = sum(look.tokens["all"] > 0 for look in looks)
    if counted:
        of = "" if counted == len(looks) else f", of {counted} runs"
        told |= {f"tokens{of}": tokens["all"], "of pictures": tokens["visual"], "learned": tokens["learned"],
                 "in rows of text alone": tokens[TEXT_TOKENS], "tiles": tokens["tiles"]}  # fmt: skip
    items = "".join(f"<div><dt>{name}</dt><dd>{number:,}</dd></div>" for name, number in told.items())
    return f'<dl class="numbers">{items}</dl>'


def runs_table(looks: Sequence[Look]) -> str:
    """Return a line a run, and their sum."""
    head = "".join(
        f'<th class="n">{name}</th>' if is_number else f"<th>{name}</th>"
        for name, is_number in (
            ("run", False), ("rows", True), ("kept", True), ("", True), ("pictures", True), ("tokens", True),
            ("text alone", True), ("tiles", True), ("languages", False), ("licences", False), ("MB", True),
        )
    )  # fmt: skip
    lines = [
        _run_line(f'<a href="#run-{number}">{escape(look.run.name)}</a>', [look]) for number, look in enumerate(looks)
    ]
    total = _run_line("together", looks).replace("<tr>", '<tr class="total">', 1)
    return f'<h2>Runs</h2><div class="table"><table><tr>{head}</tr>{"".join(lines)}{total}</table></div>'


def _run_line(name: str, looks: Sequence[Look]) -> str:
    rows, kept = sum(look.num_rows for look in looks), sum(look.num_kept for look in looks)
    tokens = sum((look.tokens for look in looks), Counter())
    licences: Counter[str] = Counter()
    for look in looks:
        for (licence, _), number in look.licences.items():
            licences[licence] += number
    size = sum(size for look in looks for _, size in look.formats.values())
    numbers = [
        f"{rows:,}", f"{kept:,}", f"{kept / rows:.0%}" if rows else "", f"{sum(look.num_pictures for look in looks):,}",
        *(f"{tokens[field]:,}" if tokens["all"] else "–" for field in ("all", TEXT_TOKENS, "tiles")),
    ]  # fmt: skip
    cells = "".join(f'<td class="n">{number}</td>' for number in numbers)
    languages = " · ".join(_shares(sum((look.languages for look in looks), Counter())))
    terms = "<br>".join(escape(name[:60]) for name, _ in licences.most_common(MOST_TOLD))
    more = f"<br>{len(licences) - MOST_TOLD} more" if len(licences) > MOST_TOLD else ""
    return (
        f'<tr><td>{name}</td>{cells}<td class="languages">{languages}</td><td><small>{terms}{more}</small></td>'
        f'<td class="n">{size / 1e6:,.1f}</td></tr>'
    )


def _shares(names: Counter[str]) -> list[str]:
    total = sum(names.values())
    return [
        f"{escape(name)} {number / total:.0%}"
        for name, number in names.most_common(MOST_TOLD)
        if number / total >= 0.005
    ]


def details_of(look: Look, *, is_open: bool) -> list[str]:
    """Return the tables and plots of a run; behind a line to open them unless `is_open`."""
    parts = [
        *_funnel(look),
        *_table("Rows that could not be read", ("reason",), {(name,): n for name, n in look.skipped.items()}),
        '<div class="tables">',
        *_table("Licences", ("licence", "source"), look.licences),
        *_table("Languages", ("language",), {(name,): n for name, n in look.languages.items()}),
        *_formats(look.formats),
        "</div>",
        *_histograms(look),
    ]
    return parts if is_open else ["<details><summary>Steps, licences, languages, qualities</summary>", *parts,
                                  "</details>"]  # fmt: skip


def _funnel(look: Look) -> list[str]:
    first = max((passed.kept_before for passed in look.funnel), default=0)
    lines = []
    for passed in look.funnel:
        share = passed.kept / first if first else 0.0
        reasons = [f"{number:,} {escape(reason)}" for reason, number in list(passed.reasons.items())[:MOST_LINES]]
        lines.append(
            f'<tr><td>{escape(passed.step)}</td><td class="n">{passed.kept_before - passed.kept:,}</td>'
            f'<td class="n">{passed.kept:,}</td><td><div class="bar"><i style="width:{share:.1%}"></i></div></td>'
            f"<td>{'<br>'.join(reasons)}</td></tr>"
        )
    head = '<tr><th>step</th><th class="n">rejected</th><th class="n">kept</th><th></th><th>reasons</th></tr>'
    return ["<h2>Steps</h2>", f'<div class="table"><table>{head}{"".join(lines)}</table></div>']


def _table(title: str, columns: Sequence[str], counts: Mapping[tuple[str, ...], int]) -> list[str]:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    if not rows:
        return []
    total = sum(counts.values())
    head = "".join(f"<th>{column}</th>" for column in columns)
    lines = [
        f"<tr>{''.join(f'<td>{escape(word[:300])}</td>' for word in key)}"
        f'<td class="n">{number:,}</td><td class="n">{number / total:.1%}</td></tr>'
        for key, number in rows[:MOST_LINES]
    ]
    if len(rows) > MOST_LINES:
        left = sum(number for _, number in rows[MOST_LINES:])
        lines.append(f'<tr><td colspan="{len(columns)}">{len(rows) - MOST_LINES} more</td><td class="n">{left:,}</td>'
                     f'<td class="n">{left / total:.1%}</td></tr>')  # fmt: skip
    heads = f'<tr>{head}<th class="n">rows</th><th class="n">share</th></tr>'
    return [f'<section><h2>{title}</h2><div class="table"><table>{heads}{"".join(lines)}</table></div></section>']


def _formats(formats: Mapping[str, tuple[int, int]]) -> list[str]:
    lines = [
        f'<tr><td>{escape(name)}</td><td class="n">{files:,}</td><td class="n">{size / 1e6:,.1f} MB</td></tr>'
        for name, (files, size) in formats.items()
    ]
    head = '<tr><th>format</th><th class="n">files</th><th class="n">size</th></tr>'
    return [f"<section><h2>Written</h2><table>{head}{''.join(lines)}</table></section>"] if lines else []


def _histograms(look: Look) -> list[str]:
    fields = sorted(look.quality.items())
    if not fields:
        return []
    same = {name: one.kept.least if one.kept.num_values else one.rejected.least
            for name, one in fields if is_constant(one)}  # fmt: skip
    plots = "".join(to_svg(name, one) for name, one in fields if name not in same)
    most = max(max(one.kept.num_values, one.rejected.num_values) for _, one in fields)
    note = f" Drawn from {MOST_VALUES:,} rows of each kind, chosen by hash." if most > MOST_VALUES else ""
    key = (
        '<p><span class="key kept"><span>kept rows</span></span><span class="key rejected"><span>on top: rejected rows '
        f"that got that far.{note}</span></span></p>"
    )
    told = ", ".join(f"{escape(name)} {value:.4g}" for name, value in same.items())
    tail = [f"<p>The same in all rows: {told}.</p>"] if same else []
    return ["<h2>Quality</h2>", key, f'<div class="plots">{plots}</div>', *tail]
