"""Table questions: look-ups, ends, counts and sums whose answers stand in the cells or follow from them exactly."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from vl2.core.settings import load_yaml
from vl2.corpus.drawing.table.data import Table
from vl2.data.faults import RowError

MOST_ADDED = 8  # rows of a sum
_WORDING = Path(__file__).with_name("wording.yaml")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Sheet:
    """A table by the names of its rows and columns."""

    language: str
    dice: random.Random
    heads: tuple[str, ...]  # of all columns; the first is what rows are called
    names: tuple[str, ...]  # of rows
    columns: tuple[tuple[str, ...], ...]  # texts below each head [columns, rows]
    numeric: tuple[bool, ...]  # which columns count or measure; years only name

    def say(self, key: str, answer: str, column: int = 0, **words: str) -> Pair:
        """Return a question and its answer."""
        said = self.dice.choice(wording()[key][self.language])
        within = [
            head if self.language == "zh" or head[:2].isupper() else head[:1].lower() + head[1:] for head in self.heads
        ]
        return said.format(c=within[column], x=within[0], **words), answer

    def numbers(self, column: int) -> list[Decimal] | None:
        """Return a column of numbers, None where a cell is none."""
        told = [text.replace(",", "") for text in self.columns[column]]
        is_whole = self.numeric[column] and all(text.removeprefix("-").replace(".", "", 1).isdecimal() for text in told)
        return [Decimal(text) for text in told] if is_whole else None


@cache
def wording() -> dict[str, Any]:
    """Return how questions are put."""
    return load_yaml(_WORDING)


def ask_table(table: Table, dice: random.Random, wanted: int) -> list[Pair]:
    """Return up to so many questions with answers. Raises RowError on a table whose rows have no names."""
    sheet = _sheet(table, dice)
    found = [pair for make in dice.sample(_QUESTIONS, len(_QUESTIONS)) if (pair := make(sheet)) is not None]
    return found[:wanted]


def lines_of(table: Table) -> list[str]:
    """Return the table as lines of cells between bars, its title first."""
    return [table.title, *(" | ".join(cell.text for cell in row) for row in table.grid())]


def _sheet(table: Table, dice: random.Random) -> Sheet:
    grid = table.grid()
    num_heads = next((number for number, row in enumerate(grid) if not row[-1].is_header), 0)
    if num_heads == 0 or any(not text.text for text in grid[num_heads - 1]):
        raise RowError("a table without names of columns")
    heads = [tuple(dict.fromkeys(grid[row][column].text for row in range(num_heads))) for column in range(len(grid[0]))]
    joined = tuple(("，" if table.language == "zh" else ", ").join(reversed(words)) for words in heads)
    body = [[cell.text for cell in row] for row in grid[num_heads:]]
    numeric = tuple(all(cell.is_number for cell in column) for column in zip(*grid[num_heads:], strict=True))
    names = tuple(row[0] for row in body)
    if len(set(names)) < len(names) or not all(names):
        raise RowError("a table whose rows have no names of their own")
    return Sheet(table.language, dice, joined, names, tuple(zip(*body, strict=True)), numeric)


def _pick_numbers(sheet: Sheet) -> tuple[int, list[Decimal]] | None:
    found = [(column, numbers) for column in range(1, len(sheet.heads)) if (numbers := sheet.numbers(column))]
    return sheet.dice.choice(found) if found else None


def _cell(sheet: Sheet) -> Pair | None:
    row, column = sheet.dice.randrange(len(sheet.names)), sheet.dice.randrange(1, len(sheet.heads))
    text = sheet.columns[column][row]
    return sheet.say("cell", text, column, r=sheet.names[row]) if text else None


def _reverse(sheet: Sheet) -> Pair | None:
    column = sheet.dice.randrange(1, len(sheet.heads))
    row = sheet.dice.randrange(len(sheet.names))
    text = sheet.columns[column][row]
    is_alone = text and sheet.columns[column].count(text) == 1
    return sheet.say("reverse", sheet.names[row], column, v=text) if is_alone else None


def _most(sheet: Sheet) -> Pair | None:
    return _end(sheet, "most", max)


def _least(sheet: Sheet) -> Pair | None:
    return _end(sheet, "least", min)


def _end(sheet: Sheet, key: str, pick: Callable[[list[Decimal]], Decimal]) -> Pair | None:
    found = _pick_numbers(sheet)
    if found is None or found[1].count(pick(found[1])) > 1:
        return None
    return sheet.say(key, sheet.names[found[1].index(pick(found[1]))], found[0])


def _count(sheet: Sheet) -> Pair:
    return sheet.say("count", str(len(sheet.names)))


def _columns(sheet: Sheet) -> Pair:
    return sheet.say("columns", str(len(sheet.heads)))


def _sum(sheet: Sheet) -> Pair | None:
    found = _pick_numbers(sheet)
    if found is None or len(sheet.names) > MOST_ADDED:
        return None
    return sheet.say("sum", f"{sum(found[1], Decimal(0)):,}", found[0])


def _two(sheet: Sheet) -> tuple[int, int, int, Decimal] | None:
    """Return a column, the row with more, the row with less, and the difference."""
    found = _pick_numbers(sheet)
    if found is None or len(sheet.names) < 2:
        return None
    column, numbers = found
    one, other = sheet.dice.sample(range(len(numbers)), 2)
    if numbers[one] < numbers[other]:
        one, other = other, one
    return (column, one, other, numbers[one] - numbers[other]) if numbers[one] != numbers[other] else None


def _difference(sheet: Sheet) -> Pair | None:
    found = _two(sheet)
    if found is None:
        return None
    column, one, other, value = found
    return sheet.say("difference", f"{value:,}", column, r=sheet.names[one], v=sheet.names[other])


def _compare(sheet: Sheet) -> Pair | None:
    found = _two(sheet)
    if found is None:
        return None
    first, second = sheet.dice.sample((sheet.names[found[1]], sheet.names[found[2]]), 2)
    return sheet.say("compare", sheet.names[found[1]], found[0], r=first, v=second)


def _above(sheet: Sheet) -> Pair | None:
    found = _pick_numbers(sheet)
    if found is None:
        return None
    column, numbers = found
    limit = sheet.dice.choice(sheet.columns[column])
    count = sum(number > Decimal(limit.replace(",", "")) for number in numbers)
    return sheet.say("above", str(count), column, v=limit) if count else None


def _same(sheet: Sheet) -> Pair | None:
    texts = [column for column in range(1, len(sheet.heads)) if sheet.numbers(column) is None]
    if not texts:
        return None
    column = sheet.dice.choice(texts)
    text, count = sheet.dice.choice(sorted(Counter(sheet.columns[column]).items()))
    return sheet.say("same", str(count), column, v=text) if text else None


_QUESTIONS: tuple[Callable[[Sheet], Pair | None], ...] = (
    _cell, _cell, _reverse, _most, _least, _count, _columns, _sum, _difference, _compare, _above, _same,
)  # fmt: skip
