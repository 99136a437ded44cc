"""Data groups: the rows of a table that a chart or table is about, gathered by their names and moments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from vl2.corpus.sources.packages.data.columns import Cell, DataTable, Language, month_name, translated

Combine = Callable[[Sequence[float]], float]
COMBINED: dict[str, Combine] = {"mean": fmean, "sum": sum, "count": len, "most": max, "single": lambda some: some[0]}
FEWEST_ROWS = 3  # of a mean
NARROWED_SHARE, COUNTED_SHARE = 0.6, 0.25
NOT_THINGS = ("record", "price", "year", "month")  # rows that nobody counts


@dataclass(frozen=True)
class Chosen:
    """Rows of a table, and the words for what they have in common; both empty when they are all rows."""

    rows: Sequence[int]
    column: str = ""
    value: Cell = None


def all_rows(table: DataTable) -> Chosen:
    """Return all rows."""
    return Chosen(range(table.num_rows))


def narrowed(table: DataTable, chosen: Chosen, column: str, value: Cell) -> Chosen:
    """Return the rows of one name or moment."""
    cells = table.cells[column]
    return Chosen([row for row in chosen.rows if cells[row] == value], column, value)


def pick_narrowed(table: DataTable, dice: random.Random, columns: Sequence[str]) -> Chosen:
    """Return the rows of a name or moment that falls by the dice."""
    column = dice.choice(list(columns))
    values = distinct(table.cells[column])
    return narrowed(table, all_rows(table), column, dice.choice(values))


def distinct(cells: Iterable[Cell]) -> list[Cell]:
    """Return what cells hold, each once, in the order in which it comes."""
    return [cell for cell in dict.fromkeys(cells) if cell is not None]


def gather(
    table: DataTable, rows: Iterable[int], keys: Sequence[str], measure: str | None
) -> dict[tuple[Cell, ...], list[float]]:
    """Return the numbers of a measure by the cells of some columns, without a measure a one for each row."""
    found: dict[tuple[Cell, ...], list[float]] = {}
    columns = [table.cells[key] for key in keys]
    numbers = table.cells[measure] if measure else None
    for row in rows:
        key = tuple(column[row] for column in columns)
        number = 1.0 if numbers is None else numbers[row]
        if None not in key and isinstance(number, float):
            found.setdefault(key, []).append(number)
    return found


def pick_combine(table: DataTable, dice: random.Random, groups: Mapping[tuple[Cell, ...], list[float]],
                 measure: str | None) -> str | None:  # fmt: skip
    """Return how the numbers of each group become one; None where a mean would be of too few, or each count is one."""
    if measure is None:
        return "count" if max(map(len, groups.values())) > 1 else None
    if all(len(numbers) == 1 for numbers in groups.values()):
        return "single"
    if table.kind.columns[measure].add and (table.kind.one in NOT_THINGS or dice.random() < 0.6):
        return "sum"
    if min(map(len, groups.values())) < FEWEST_ROWS:
        return None
    return "most" if dice.random() < 0.15 and not table.kind.columns[measure].add else "mean"


def say_cell(table: DataTable, column: str, cell: Cell, language: Language) -> str | None:
    """Return a name or moment in a language, None where there are no words for it."""
    kind = table.kind.columns[column]
    if kind.kind == "month":
        return month_name(int(cell or 1), language)
    if kind.kind == "year":
        return str(cell)
    return str(cell) if language == "en" else translated(kind, str(cell))


def pick_measure(table: DataTable, dice: random.Random) -> str | None:
    """Return a column of numbers, None to count rows."""
    numbers = table.kind.of_kind("number")
    counts = table.kind.one not in NOT_THINGS
    return None if not numbers or (counts and dice.random() < COUNTED_SHARE) else dice.choice(numbers)


def pick_rows(table: DataTable, dice: random.Random, keys: Sequence[str]) -> Chosen:
    """Return all rows, or those of one name or year of a column that is not among the keys.

    Of a panel, years are never put together: people counted twice are not twice as many.
    """
    years = table.kind.of_kind("year")
    if table.kind.panel and not any(year in keys for year in years):
        return pick_narrowed(table, dice, years)
    others = [name for name in table.kind.of_kind("group", "year") if name not in keys]
    is_narrowed = others and dice.random() < NARROWED_SHARE
    return pick_narrowed(table, dice, others) if is_narrowed else all_rows(table)
