"""Table data: what a table says, cell by cell, before it is known how it looks."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from vl2.core.sample import Sample
from vl2.core.settings import build
from vl2.corpus.drawing.chart.data import Language
from vl2.data.faults import RowError

FIELD = "table"  # of provenance
MOST_ROWS, MOST_COLUMNS = 40, 12


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """A cell; it may span rows and columns."""

    text: str
    height: int = 1
    width: int = 1
    is_header: bool = False
    is_number: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells as HTML has them: what a spanning cell covers is in no other row."""

    language: Language
    title: str
    rows: tuple[tuple[TableCell, ...], ...]

    def html(self) -> str:
        """Return the table as HTML."""
        rows = ("".join(map(_cell_html, row)) for row in self.rows)
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"

    def places(self) -> Iterator[tuple[int, int, TableCell]]:
        """Yield row, column and cell. Raises RowError when the cells do not fill one grid."""
        taken: set[tuple[int, int]] = set()
        for number, row in enumerate(self.rows):
            column = 0
            for cell in row:
                while (number, column) in taken:
                    column += 1
                area = {(number + down, column + right) for down in range(cell.height) for right in range(cell.width)}
                if area & taken or number + cell.height > len(self.rows) or column + cell.width > MOST_COLUMNS:
                    raise RowError("a table whose cells do not fit together")
                taken |= area
                yield number, column, cell
                column += cell.width
        if not taken or len(taken) != len(self.rows) * (max(column for _, column in taken) + 1):
            raise RowError("a table whose cells do not fit together")

    def grid(self) -> list[list[TableCell]]:
        """Return the cell of each place, a spanning one at each that it covers."""
        found = {
            (row + down, column + right): cell
            for row, column, cell in self.places() for down in range(cell.height) for right in range(cell.width)
        }  # fmt: skip
        width = max(column for _, column in found) + 1
        return [[found[row, column] for column in range(width)] for row in range(len(self.rows))]


def table_to_dict(table: Table) -> dict[str, Any]:
    """Return a JSON-ready mapping."""
    return asdict(table)


def table_of(sample: Sample) -> Table:
    """Return the table that a row tells of. Raises RowError without one, ConfigError on one that cannot be."""
    told = sample.provenance.get(FIELD)
    if not isinstance(told, dict):
        raise RowError("a row that tells of no table")
    rows = told.get("rows")
    if not isinstance(rows, list | tuple) or not 0 < len(rows) <= MOST_ROWS:
        raise RowError("a table without rows, or with too many")
    if not all(isinstance(row, list | tuple) and all(isinstance(cell, dict) for cell in row) for row in rows):
        raise RowError("a table whose rows are no lists of cells")
    if told.get("language") not in ("en", "zh"):
        raise RowError("a table of an unknown language")
    cells = tuple(tuple(build(TableCell, cell, thing="cell") for cell in row) for row in rows)
    table = Table(language=told["language"], title=str(told.get("title", "")), rows=cells)
    table.grid()  # its cells fit together
    return table


def _cell_html(cell: TableCell) -> str:
    tag = "th" if cell.is_header else "td"
    spans = "".join(f' {name}span="{size}"' for name, size in (("row", cell.height), ("col", cell.width)) if size > 1)
    return f"<{tag}{spans}>{html.escape(cell.text, quote=False)}</{tag}>"
