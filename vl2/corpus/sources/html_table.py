"""HTML tables: put together from tokens or cells as sets annotate them, and read back as the grid that they show."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from vl2.corpus.sources.markup import tamed
from vl2.data.faults import RowError

MOST_CELLS, LARGEST_SPAN = 4096, 1000
_TAGS = frozenset(("<thead>", "</thead>", "<tbody>", "</tbody>", "<tr>", "</tr>", "</td>"))
_SPAN = re.compile(r' (?:col|row)span="(\d{1,4})"')
_STYLES = re.compile(r"</?(?:b|i|u|s|em|strong|sup|sub|strike|underline|overline|small|big)>|<br ?/?>")


@dataclass(frozen=True)
class Grid:
    """What a table shows: a text for each place of its rows, a spanning cell at each place that it covers."""

    rows: tuple[tuple[str, ...], ...]
    num_cells: int
    is_whole: bool  # no two cells lie on one place, and no place is empty

    def lines(self) -> str:
        """Return the table as lines of cells between bars."""
        return "\n".join(f"| {' | '.join(row)} |" for row in self.rows)


def from_tokens(structure: Sequence[Any], cells: Sequence[Mapping[str, Any]]) -> str:
    """Return the HTML of PubTabNet's tokens, the k-th cell in the k-th `td`.

    A spanning cell is told in pieces: `<td`, ` colspan="2"`, `>`, `</td>`. Raises RowError on any other token and when
    the cells are not as many as their places: what is not known to be a table is no HTML to write.
    """
    pieces: list[str] = ["<table>"]
    contents = iter(cells)
    is_open, num_cells = False, 0
    for token in structure:
        if token == "<td":
            is_open = True
        elif token in ("<td>", ">"):
            if is_open is (token == "<td>"):
                raise RowError("structure tokens are not those of a table")
            is_open, num_cells = False, num_cells + 1
            cell = next(contents, None)
            if cell is None or num_cells > MOST_CELLS:
                raise RowError("a table has not as many cells as places, or too many")
            pieces.append(f"{token}{cell_html(cell['tokens'])}")
            continue
        elif not (_is_span(token) if is_open else token in _TAGS):
            raise RowError("structure tokens are not those of a table", got=repr(token)[:40])
        pieces.append(token)
    if is_open or next(contents, None) is not None:
        raise RowError("a table has not as many cells as places, or too many")
    return "".join((*pieces, "</table>"))


def cell_html(tokens: Sequence[Any]) -> str:
    """Return the content of a cell: single characters as text, inline tags as they are, any other token as text."""
    return "".join(str(token) if _STYLES.fullmatch(str(token)) else html.escape(str(token), False) for token in tokens)


def cell_text(tokens: Sequence[Any]) -> str:
    """Return what a cell says without its tags."""
    return "".join(str(token) for token in tokens if not _STYLES.fullmatch(str(token))).strip()


def from_cells(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return the HTML of cells that tell their rows and columns. Raises RowError where they overlap or leave gaps."""
    taken: set[tuple[int, int]] = set()
    by_row: dict[int, list[tuple[int, str]]] = {}
    for cell in cells:
        rows, columns = sorted(set(cell["row_nums"])), sorted(set(cell["column_nums"]))
        if not rows or not columns or max(rows[-1], columns[-1]) > LARGEST_SPAN or min(rows[0], columns[0]) < 0:
            raise RowError("a cell without a place in its table")
        places = {(row, column) for row in rows for column in columns}
        if places & taken or len(taken) > MOST_CELLS or not (_is_run(rows) and _is_run(columns)):
            raise RowError("cells that overlap or are not rectangles")
        taken |= places
        tag = "th" if cell.get("is_column_header") else "td"
        spans = "".join(f' {name}span="{len(run)}"' for name, run in (("row", rows), ("col", columns)) if len(run) > 1)
        text = html.escape(str(cell["json_text_content"]).strip(), False)
        by_row.setdefault(rows[0], []).append((columns[0], f"<{tag}{spans}>{text}</{tag}>"))
    height, width = (max((place[axis] for place in taken), default=-1) + 1 for axis in (0, 1))
    if len(taken) != height * width or not taken:
        raise RowError("a table with places that no cell covers")
    rows_html = ("".join(cell for _, cell in sorted(by_row.get(row, ()))) for row in range(height))
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows_html)}</table>"


def read_grid(table: str) -> Grid:
    """Return the grid that a table shows, spans laid out as browsers do. Raises RowError on one that is too large."""
    reader = _Reader()
    reader.feed(tamed(table))
    reader.close()
    places: dict[tuple[int, int], str] = {}
    is_whole, num_cells = True, 0
    for row, cells in enumerate(reader.rows):
        column = 0
        for text, height, width in cells:
            num_cells += 1
            while (row, column) in places:
                column += 1
            if len(places) + height * width > MOST_CELLS * 4:
                raise RowError("a table is too large")
            for place in _area(row, column, height, width):
                is_whole = is_whole and place not in places
                places[place] = text
            column += width
    num_rows, num_columns = (max((place[axis] for place in places), default=-1) + 1 for axis in (0, 1))
    is_whole = is_whole and len(places) == num_rows * num_columns and num_rows == len(reader.rows)
    rows = tuple(tuple(places.get((row, column), "") for column in range(num_columns)) for row in range(num_rows))
    return Grid(rows, num_cells, is_whole)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, int, int]]] = []
        self._text: list[str] | None = None
        self._height = self._width = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            told = dict(attrs)
            self._height, self._width = _span_of(told.get("rowspan")), _span_of(told.get("colspan"))
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._text is not None and self.rows:
            self.rows[-1].append(("".join(self._text).strip(), self._height, self._width))
            self._text = None


def _span_of(told: str | None) -> int:
    return min(LARGEST_SPAN, max(1, int(told))) if told is not None and told.isdecimal() and len(told) < 9 else 1


def _is_span(token: Any) -> bool:
    found = _SPAN.fullmatch(token) if isinstance(token, str) else None
    return found is not None and 1 <= int(found[1]) <= LARGEST_SPAN


def _is_run(numbers: Sequence[int]) -> bool:
    return list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))


def _area(row: int, column: int, height: int, width: int) -> Iterator[tuple[int, int]]:
    return ((row + down, column + right) for down in range(height) for right in range(width))
