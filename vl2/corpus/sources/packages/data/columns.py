"""Data columns: the tables whose columns are understood, and their cells as texts, numbers, years and months."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, Literal

from vl2.core.settings import build, load_yaml
from vl2.corpus.sources.pictures import Pictures
from vl2.data.faults import RowError

Language = Literal["en", "zh"]
Cell = str | float | int | None
MAX_TABLE_BYTES, MOST_ROWS = 8 << 20, 20_000
_FOLDER = Path(__file__).parent
_YEAR = re.compile(r"\b(1[5-9]\d\d|20\d\d)\b")
_MONTH = re.compile(r"^\d{4}[-/](\d\d)\b")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as a reader would name it."""

    kind: Literal["group", "year", "month", "number", "name"]
    en: str
    zh: str
    of: str = ""  # field of the file, where it is not the key of the column
    unit: str = ""
    unit_zh: str = ""
    add: bool = False  # sums over rows mean something
    times: float = 1.0  # shares become per cent
    own: bool = False  # its names stay as they are in Chinese
    ordered: bool = False  # names have an order of their own, that of `names`
    names: dict[str, str] = field(default_factory=dict)  # English for what the file writes otherwise
    skip: tuple[str, ...] = ()  # rows that are no group of their own

    def place(self, cell: Cell) -> int:
        """Return where a name or moment stands in its order; 0 for all names without one."""
        if self.kind in ("year", "month"):
            return int(cell or 0)
        return list(self.names.values()).index(str(cell)) if self.ordered else 0

    @property
    def is_ordered(self) -> bool:
        """Tell whether what cells say has an order."""
        return self.ordered or self.kind in ("year", "month")

    def say(self, language: Language) -> str:
        """Return the column's name."""
        return self.zh if language == "zh" else self.en

    def say_unit(self, language: Language) -> str:
        """Return the unit, empty without one."""
        return self.unit_zh if language == "zh" else self.unit


@dataclass(frozen=True, kw_only=True)
class TableKind:
    """A table by its file."""

    rows: int  # charts that are made of it
    en: str  # what its rows are
    zh: str
    one: str
    licence: str
    panel: bool = False  # the same things, counted in several years
    columns: dict[str, Column]

    def of_kind(self, *kinds: str) -> list[str]:
        """Return the columns of some kinds."""
        return [name for name, column in self.columns.items() if column.kind in kinds]


@dataclass(frozen=True)
class DataTable:
    """The cells of a table, column by column."""

    kind: TableKind
    cells: Mapping[str, tuple[Cell, ...]]
    num_rows: int


def table_kind(file: str) -> TableKind | None:
    """Return what is known of a table by the name of its file."""
    return _kinds().get(PurePath(file).name)


def translated(column: Column, name: str) -> str | None:
    """Return Chinese for a name in a column, None where there is none."""
    return name if column.own or name.isdecimal() else _names().get(name)


@lru_cache(maxsize=2)
def read_table(pictures: Pictures, file: str) -> DataTable:
    """Read a table of the list. Raises RowError when it is not there, is no table, or lacks a column."""
    kind = table_kind(file)
    if kind is None:
        raise RowError("a table whose columns are not known")
    records = _records(file, pictures.read_text(file, MAX_TABLE_BYTES))
    cells = {
        name: tuple(_cell(column, record.get(column.of or name)) for record in records)
        for name, column in kind.columns.items()
    }
    if not records or any(all(cell is None for cell in column) for column in cells.values()):
        raise RowError("a table without rows, or without one of its columns")
    return DataTable(kind, cells, len(records))


def _records(file: str, told: str) -> list[Mapping[str, Any]]:
    if not file.endswith(".json"):
        lines = csv.DictReader(told.splitlines(), delimiter="\t" if file.endswith(".tsv") else ",")
        return list(islice(lines, MOST_ROWS))
    rows = json.loads(told)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RowError("not a list of rows")
    return rows[:MOST_ROWS]


def _cell(column: Column, value: Any) -> Cell:
    if value is None or isinstance(value, dict | list) or str(value).strip() in ("", "NaN", "null"):
        return None
    told = str(value).strip()
    match column.kind:
        case "number":
            return _number(told, column.times)
        case "year":
            found = _YEAR.search(told)
            return int(found[1]) if found else None
        case "month":
            return _month(told)
        case _:
            return None if told in column.skip else _named(column, told)


def _named(column: Column, told: str) -> str:
    if told in column.names:
        return column.names[told]
    return _states()[told] if column.en == "state" and told in _states() else told.removesuffix(".0")


def _number(told: str, times: float) -> float | None:
    try:
        value = float(told.replace(",", "")) * times
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None


def _month(told: str) -> int | None:
    found = _MONTH.match(told)
    if found:
        return int(found[1]) if 1 <= int(found[1]) <= len(_MONTHS) else None
    return _MONTHS.index(told[:3]) + 1 if told[:3] in _MONTHS else None


def month_name(month: int, language: Language) -> str:
    """Return a month as an axis names it."""
    return f"{month}月" if language == "zh" else _MONTHS[month - 1]


@cache
def _kinds() -> dict[str, TableKind]:
    told = load_yaml(_FOLDER / "tables.yaml")
    return {file: TableKind(**{**values, "columns": _columns(values["columns"])}) for file, values in told.items()}


def _columns(told: Mapping[str, Any]) -> dict[str, Column]:
    return {name: build(Column, values, thing=name) for name, values in told.items()}


@cache
def _names() -> dict[str, str]:
    return load_yaml(_FOLDER / "names.yaml")["names"]


@cache
def _states() -> dict[str, str]:
    return load_yaml(_FOLDER / "names.yaml")["states"]
