"""Data picks: which names and moments of a table are shown, and in which order."""

from __future__ import annotations

import random
from collections.abc import Mapping

from vl2.corpus.sources.packages.data.columns import Cell, Column, DataTable, Language
from vl2.corpus.sources.packages.data.groups import distinct, say_cell

MOST_MOMENTS = 40
Key = tuple[Cell, ...]


def pick_names(table: DataTable, dice: random.Random, key: str, values: Mapping[Cell, float], *, is_ranked: bool,
               language: Language) -> tuple[list[Cell], int]:  # fmt: skip
    """Return which names are shown, in which order, and of how many a title says that they are the first."""
    column = table.kind.columns[key]
    if column.kind != "group":
        return sorted(values, key=column.place), 0
    most = dice.randint(4, 10)
    ranked = sorted(values, key=lambda name: -values[name])
    if len(ranked) > most and is_ranked and not column.ordered:
        return ranked[:most], most
    if len(ranked) > most:
        spoken = [name for name in values if say_cell(table, key, name, language) is not None]
        names = dice.sample(spoken, min(most, len(spoken)))
        return _in_order(column, names, ranked, dice), 0
    return _in_order(column, list(values), ranked, dice), 0


def _in_order(column: Column, names: list[Cell], ranked: list[Cell], dice: random.Random) -> list[Cell]:
    if column.is_ordered:
        return sorted(names, key=column.place)
    return [name for name in ranked if name in names] if dice.random() < 0.4 else names


def full_grid(table: DataTable, dice: random.Random, groups: Mapping[Key, list[float]], key: str, colour: str,
               language: Language) -> tuple[list[Cell], list[Cell]]:  # fmt: skip
    """Return names and colours whose every pair has rows; none where they are too few."""
    tones = [tone for tone in distinct(pair[1] for pair in groups) if say_cell(table, colour, tone, language)]
    tones = dice.sample(tones, min(len(tones), dice.randint(2, 4)))
    names = [name for name in distinct(pair[0] for pair in groups) if all((name, tone) in groups for tone in tones)]
    if table.kind.columns[key].kind == "group":
        names = [name for name in names if say_cell(table, key, name, language)]
        names = sorted(dice.sample(names, min(len(names), dice.randint(3, 6))), key=table.kind.columns[key].place)
    else:
        names = sorted(names, key=table.kind.columns[key].place)[-MOST_MOMENTS:]
    tones = sorted(tones, key=table.kind.columns[colour].place)
    return (names, tones) if len(names) >= 3 and len(tones) >= 2 else ([], [])
