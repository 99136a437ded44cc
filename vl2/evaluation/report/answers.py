"""The browser of wrong answers. What models said is text in it, never markup."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from vl2.evaluation.report.wrong import WrongAnswer, WrongAnswers

MOST_TEXT = 600  # letters of an answer that are shown
MOST_CATEGORIES = 100  # to choose from


def answers_browser(model: str, wrong: WrongAnswers, *, is_open: bool) -> str:
    """Return the wrong answers of a model's run, to be filtered by state and category."""
    if not wrong.num_wrong:
        return f'<p class="dim">No answer of {escape(model)} was wrong.</p>\n'
    shown = len(wrong.answers)
    told = "" if shown == wrong.num_wrong else f"{shown} of them are shown, of every state and category in turn. "
    told += f"Without pictures: {wrong.problem}" if wrong.problem else "Where boxes were asked for, green is the true "
    told += "" if wrong.problem else "one, red what was said."
    filters = _filter("state", [answer.line.state for answer in wrong.answers])
    filters += _filter("category", [answer.line.category for answer in wrong.answers])
    cards = "".join(map(_card, wrong.answers))
    return (
        f'<details class="wrong"{" open" if is_open else ""}><summary>{wrong.num_wrong} answers of {escape(model)} '
        f'without credit</summary><p class="dim">{escape(told)}</p>'
        f'<div class="filters">{filters}<output>{shown} shown</output></div><div class="answers">{cards}</div>'
        "</details>\n"
    )


def _filter(name: str, values: Sequence[str]) -> str:
    known = [value for value in dict.fromkeys(values) if value][:MOST_CATEGORIES]
    if len(known) < 2:
        return ""
    options = "".join(f'<option value="{escape(value)}">{escape(short(value, 60))}</option>' for value in known)
    return f'<select name="{name}" aria-label="{name}"><option value="">every {name}</option>{options}</select>'


def _card(answer: WrongAnswer) -> str:
    line = answer.line
    told_of = escape(f"image of {short(line.id, 60)}")
    pictures = "".join(f'<img src="{escape(url)}" alt="{told_of}">' for url in answer.pictures)
    gold = " | ".join(line.answers) or (", ".join(f"{corner:.0f}" for corner in line.box) if line.box else "")
    facts = (("asked", "", line.question), ("accepted", "gold", gold), ("said", "said", line.said),
             ("read as", "", line.parsed if line.parsed != line.said else ""))  # fmt: skip
    told = "".join(
        f'<dt>{name}</dt><dd class="{kind}">{escape(short(text))}</dd>' for name, kind, text in facts if text
    )
    tags = "".join(f"<span>{escape(short(text, 60))}</span>" for text in (line.state, line.category) if text)
    return (
        f'<article class="answer" data-state="{escape(line.state)}" data-category="{escape(line.category)}">'
        f'<div class="pictures">{pictures}</div><p class="tags {line.state}">{tags}</p><dl>{told}</dl></article>'
    )


def short(text: str, most: int = MOST_TEXT) -> str:
    """Return a text, or its beginning."""
    return text if len(text) <= most else f"{text[:most]} …"
