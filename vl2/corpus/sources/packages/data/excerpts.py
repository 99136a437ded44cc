"""Data excerpts: tables cut from larger ones: some rows as they are, or values by two columns with their sums."""

from __future__ import annotations

import random
from collections.abc import Sequence

from vl2.corpus.drawing.table.data import Table, TableCell
from vl2.corpus.sources.packages.data.columns import Cell, Column, DataTable, Language
from vl2.corpus.sources.packages.data.groups import (
    COMBINED,
    gather,
    pick_combine,
    pick_measure,
    pick_rows,
    say_cell,
)
from vl2.corpus.sources.packages.data.numbers import digits_for, pick_scale, rounded
from vl2.corpus.sources.packages.data.picks import full_grid
from vl2.corpus.sources.packages.data.titles import capital, say_axis, say_measure, say_title, with_unit

CROSSED_SHARE, SPANNED_SHARE, SUMMED_SHARE = 0.5, 0.5, 0.35
_TOTAL = {"en": "Total", "zh": "合计"}


def make_excerpt(table: DataTable, language: Language, dice: random.Random) -> Table | None:
    """Return a small table of a large one, None where what fell is too small or has no words."""
    plan = _plan_crossed if dice.random() < CROSSED_SHARE else _plan_rows
    return plan(table, language, dice)


def _plan_rows(table: DataTable, language: Language, dice: random.Random) -> Table | None:
    names = table.kind.of_kind("name") if language == "en" else []
    firsts = names or table.kind.of_kind("group", "year")
    first = dice.choice(firsts)
    others = [name for name in table.kind.columns if name != first and table.kind.columns[name].kind != "name"]
    columns = [first, *dice.sample(others, min(len(others), dice.randint(2, 5)))]
    rows = [row for row in range(table.num_rows) if table.cells[first][row] is not None]
    rows = dice.sample(rows, min(len(rows), dice.randint(4, 10)))
    if len(columns) < 3 or len({table.cells[first][row] for row in rows}) < len(rows):
        return None
    texts = [_texts(table, name, [table.cells[name][row] for row in rows], language) for name in columns]
    if any(text is None for column in texts for text in column):
        return None
    kinds = [table.kind.columns[name] for name in columns]
    head = [TableCell(text=_head(kind, language), is_header=True, is_number=kind.kind == "number") for kind in kinds]
    numeric = [kind.kind == "number" for kind in kinds]
    body = [
        tuple(TableCell(text=str(told), is_number=is_number) for told, is_number in zip(line, numeric, strict=True))
        for line in zip(*texts, strict=True)
    ]
    told = [kind.say(language) for kind in kinds]
    title = "、".join(told) if language == "zh" else capital(", ".join(told))
    return Table(language=language, title=title, rows=(tuple(head), *body))


def _head(column: Column, language: Language) -> str:
    return with_unit(capital(column.say(language)), column.say_unit(language), language)


def _texts(table: DataTable, name: str, cells: Sequence[Cell], language: Language) -> list[str | None]:
    """Return what cells say, None where there are no words; a cell that is empty says nothing."""
    if table.kind.columns[name].kind != "number":
        return ["" if cell is None else say_cell(table, name, cell, language) for cell in cells]
    digits = digits_for([cell for cell in cells if isinstance(cell, float)] or [0.0])
    return ["" if not isinstance(cell, float) else f"{rounded([cell], digits)[0]:,.{digits}f}" for cell in cells]


def _plan_crossed(table: DataTable, language: Language, dice: random.Random) -> Table | None:
    colours, moments = table.kind.of_kind("group"), table.kind.of_kind("group", "year", "month")
    colour = dice.choice(colours or [""])
    key = dice.choice([name for name in moments if name != colour] or [""])
    if not key or not colour:
        return None
    measure, chosen = pick_measure(table, dice), pick_rows(table, dice, [key, colour])
    groups = gather(table, chosen.rows, [key, colour], measure)
    names, tones = full_grid(table, dice, groups, key, colour, language)
    names = names[-dice.randint(4, 10) :]
    groups = {(name, tone): groups[name, tone] for name in names for tone in tones}
    combine = pick_combine(table, dice, groups, measure) if groups else None
    said = say_measure(table, measure, combine, language) if combine else ""
    title = say_title(table, language, said, [key, colour], chosen)
    if combine is None or title is None:
        return None
    values = {pair: COMBINED[combine](numbers) for pair, numbers in groups.items()}
    scale = pick_scale(max(map(abs, values.values())))
    digits = digits_for([value / scale for value in values.values()])
    if digits == 0 and scale > 1:
        digits = 1  # beside large ones, small ones would all be 0
    numbers = [rounded([values[name, tone] / scale for tone in tones], digits) for name in names]
    body = [(str(say_cell(table, key, name, language)), line) for name, line in zip(names, numbers, strict=True)]
    if combine in ("sum", "count") and digits == 0 and dice.random() < SUMMED_SHARE:
        body.append((_TOTAL[language], tuple(map(sum, zip(*numbers, strict=True)))))
    heads = [str(say_cell(table, colour, tone, language)) for tone in tones]
    first = capital(table.kind.columns[key].say(language))
    above = say_axis(table, measure, combine, language, scale)
    rows = [
        (TableCell(text=name), *(TableCell(text=f"{value:,.{digits}f}", is_number=True) for value in line))
        for name, line in body
    ]
    return Table(language=language, title=title, rows=(*_crossed_heads(first, above, heads, dice), *rows))


def _crossed_heads(first: str, above: str, heads: Sequence[str], dice: random.Random) -> list[tuple[TableCell, ...]]:
    """Return one row of headers, or two with what is measured above all columns."""
    cells = tuple(TableCell(text=head, is_header=True, is_number=True) for head in heads)
    if dice.random() >= SPANNED_SHARE:
        return [(TableCell(text=first, is_header=True), *cells)]
    wide = TableCell(text=above, width=len(heads), is_header=True)
    return [(TableCell(text=first, height=2, is_header=True), wide), cells]
