"""Data dots: charts of single rows: two of their numbers against each other, and how one of them is spread."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from vl2.corpus.drawing.chart.data import Chart, Series
from vl2.corpus.sources.packages.data.columns import DataTable, Language
from vl2.corpus.sources.packages.data.groups import NOT_THINGS, Chosen, distinct, pick_rows, say_cell
from vl2.corpus.sources.packages.data.numbers import digits_for, pick_scale, round_edges, rounded
from vl2.corpus.sources.packages.data.titles import capital, say_measure, say_value, with_unit

MOST_DOTS, FEWEST_DOTS, MOST_NAMES = 70, 5, 40
Dots = tuple[str, list[float], list[float]]  # name, xs, ys


def plan_scatter(table: DataTable, language: Language, dice: random.Random) -> Chart | None:
    """Return two numbers of some rows against each other, None where rows or words are too few."""
    numbers = table.kind.of_kind("number")
    if len(numbers) < 2 or table.kind.one in NOT_THINGS:
        return None
    x, y = dice.sample(numbers, 2)
    groups = [name for name in table.kind.of_kind("group") if 2 <= len(distinct(table.cells[name])) <= MOST_NAMES]
    colour = dice.choice([*groups, ""])
    chosen = pick_rows(table, dice, [colour])
    dots = [one for one in _pick_dots(table, language, dice, chosen, (x, y, colour)) if len(one[1]) >= FEWEST_DOTS]
    names = [table.kind.columns[name].say(language) for name in (x, y)]
    joined = f"{names[0]}与{names[1]}的关系" if language == "zh" else f"{capital(names[1])} against {names[0]}"
    title = _narrowed_title(table, language, joined, chosen)
    if title is None or len(dots) < (2 if colour else 1):
        return None
    lines = [value for _, xs, _ in dots for value in xs], [value for _, _, ys in dots for value in ys]
    scales = [pick_scale(max(map(abs, line))) for line in lines]
    digits = [digits_for([value / scale for value in line]) for line, scale in zip(lines, scales, strict=True)]
    axes = [with_unit(capital(name), table.kind.columns[column].say_unit(language), language, scale)
            for name, column, scale in zip(names, (x, y), scales, strict=True)]  # fmt: skip
    series = tuple(
        Series(name=name, xs=rounded([value / scales[0] for value in xs], digits[0]),
               values=rounded([value / scales[1] for value in ys], digits[1]))
        for name, xs, ys in dots
    )  # fmt: skip
    return Chart(kind="scatter", language=language, title=title, x_name=axes[0], y_name=axes[1], names=(),
                 series=series, x_digits=digits[0], digits=digits[1])  # fmt: skip


def _pick_dots(table: DataTable, language: Language, dice: random.Random, chosen: Chosen,
               columns: Sequence[str]) -> list[Dots]:  # fmt: skip
    """Return some rows as dots, by the names of a column where one is given."""
    x, y, colour = columns
    rows = [row for row in chosen.rows if None not in (table.cells[x][row], table.cells[y][row])]
    tones = distinct(table.cells[colour][row] for row in rows) if colour else [""]
    tones = [tone for tone in tones if not colour or say_cell(table, colour, tone, language)]
    tones = dice.sample(tones, min(len(tones), dice.randint(2, 4)))
    each = max(FEWEST_DOTS, dice.randint(20, MOST_DOTS) // max(1, len(tones)))
    found: list[Dots] = []
    for tone in tones:
        here = [row for row in rows if not colour or table.cells[colour][row] == tone]
        here = sorted(dice.sample(here, min(each, len(here))))
        xs, ys = ([float(table.cells[name][row] or 0.0) for row in here] for name in (x, y))
        found.append((str(say_cell(table, colour, tone, language)) if colour else "1", xs, ys))
    return found


def _narrowed_title(table: DataTable, language: Language, said: str, chosen: Chosen) -> str | None:
    if not chosen.column:
        return said
    value = say_cell(table, chosen.column, chosen.value, language)
    if value is None:
        return None
    told = say_value(table, chosen, value, language)
    return f"{told}{said}" if language == "zh" else f"{said}, {told}"


def plan_histogram(table: DataTable, language: Language, dice: random.Random) -> Chart | None:
    """Return how often a column holds values between round limits, None where that shows little."""
    numbers = table.kind.of_kind("number")
    if not numbers or table.kind.one in NOT_THINGS:
        return None
    measure = dice.choice(numbers)
    chosen = pick_rows(table, dice, [])
    cells = [cell for row in chosen.rows if isinstance(cell := table.cells[measure][row], float)]
    edges = round_edges(cells, dice.randint(5, 9)) if len(cells) >= 20 else []
    if len(edges) < 5:
        return None
    counts = [sum(low <= cell < high or cell == high == edges[-1] for cell in cells) for low, high in pairwise(edges)]
    column = table.kind.columns[measure]
    said = f"{column.say(language)}分布" if language == "zh" else f"Distribution of {column.say(language)}"
    title = _narrowed_title(table, language, said, chosen)
    if title is None or max(counts) < FEWEST_DOTS:
        return None
    scale = pick_scale(max(map(abs, edges)))
    edges = [edge / scale for edge in edges]
    digits = digits_for(edges)
    dash = "–" if edges[0] >= 0 else "至" if language == "zh" else " to "
    counted = say_measure(table, None, "count", language)
    return Chart(
        kind="histogram", language=language, title=title, digits=0,
        x_name=with_unit(capital(column.say(language)), column.say_unit(language), language, scale),
        y_name=counted, series=(Series(name=counted, values=tuple(map(float, counts))),),
        names=tuple(f"{low:,.{digits}f}{dash}{high:,.{digits}f}" for low, high in pairwise(edges)),
    )  # fmt: skip
