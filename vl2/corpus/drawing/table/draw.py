"""Table draw: a table as a picture: letters are measured first, so that every cell holds its words."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw

from vl2.corpus.drawing.chart.faces import CHINESE_FACES, lettering, width_of, wrapped
from vl2.corpus.drawing.table.data import Table, TableCell
from vl2.data.faults import RowError

LARGEST_SIDE, EDGE = 1400, 12
_LINE = 1.3  # height of a line, in sizes of letters
_PAPERS = ("#ffffff", "#ffffff", "#fbfbf8", "#f6f8fa")
_HEADS = (("#ffffff", "#000000"), ("#e8eef5", "#1c2b3a"), ("#2f5d8a", "#ffffff"), ("#444444", "#ffffff"),
          ("#dfe9d9", "#1f3318"), ("#7a2e39", "#ffffff"))  # fmt: skip
_BANDS = ("#f2f2f2", "#eef4fb", "#f7f2e8")
_RULES = ("#000000", "#888888", "#c4c4c4")


@dataclass(frozen=True, kw_only=True)
class TableLook:
    """How a table looks; sizes in pixels."""

    face: str
    size: int
    paper: str
    head: tuple[str, str]  # ground and letters of headers
    bold_head: bool
    band: str  # ground of every second row, empty without
    rules: Literal["all", "rows", "three", "none"]
    rule: str
    numbers: Literal["right", "center", "left"]
    names: Literal["left", "center"]
    pad: tuple[int, int]  # beside and above words
    titled: bool
    widest: int  # of a cell's words


def pick_table_look(table: Table, dice: random.Random, faces: tuple[str, ...]) -> TableLook:
    """Return how a table looks."""
    rules = dice.choices(("all", "rows", "three", "none"), (40, 20, 25, 15))[0]
    has_bands = rules != "all" and all(cell.height == 1 for row in table.rows for cell in row if not cell.is_header)
    return TableLook(
        face=dice.choice(CHINESE_FACES if table.language == "zh" else faces), size=dice.randint(13, 19),
        paper=dice.choice(_PAPERS), head=dice.choice(_HEADS), bold_head=dice.random() < 0.7,
        band=dice.choice(_BANDS) if has_bands and dice.random() < 0.6 else "", rules=rules, rule=dice.choice(_RULES),
        numbers=dice.choice(("right", "right", "center", "left")), names=dice.choice(("left", "left", "center")),
        pad=(dice.randint(8, 18), dice.randint(4, 10)), titled=dice.random() < 0.5, widest=dice.randrange(140, 260, 20),
    )  # fmt: skip


def draw_table(table: Table, look: TableLook) -> tuple[bytes, int, int]:
    """Draw a table. Returns PNG, width and height. Raises RowError when it is too large."""
    places = list(table.places())
    lines = [_cell_lines(cell, look) for _, _, cell in places]
    grid = table.grid()
    columns, rows = [0.0] * len(grid[0]), [0.0] * len(grid)
    for spanning in (False, True):  # single cells first: a spanning one asks for what they leave open
        for (row, column, cell), said in zip(places, lines, strict=True):
            bold = cell.is_header and look.bold_head
            wide = max((width_of(line, look.face, look.size, bold=bold) for line in said), default=0) + 2 * look.pad[0]
            high = max(1, len(said)) * look.size * _LINE + 2 * look.pad[1]
            if (cell.width > 1) == spanning:
                _widen(columns, column, cell.width, wide)
            if (cell.height > 1) == spanning:
                _widen(rows, row, cell.height, high)
    title = wrapped(table.title, max(sum(columns), 160), look.face, look.size, bold=True) if look.titled else []
    top = EDGE + round(len(title) * look.size * _LINE + (8 if title else 0))
    widest_title = max((width_of(line, look.face, look.size, bold=True) for line in title), default=0.0)
    width, height = round(max(sum(columns), widest_title)) + 2 * EDGE, round(top + sum(rows)) + EDGE
    if max(width, height) > LARGEST_SIDE:
        raise RowError("a table too large to be drawn")
    picture = Image.new("RGB", (width, height), look.paper)
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(title):
        pen.text((EDGE, EDGE + number * look.size * _LINE), line, "#000000", lettering(look.face, look.size, bold=True))
    xs, ys = _edges(columns, EDGE), _edges(rows, top)
    for (row, column, cell), said in zip(places, lines, strict=True):
        box = (xs[column], ys[row], xs[column + cell.width], ys[row + cell.height])
        _fill_cell(pen, look, box, cell, is_banded=bool(look.band) and row % 2 == 0)
        _write_cell(pen, look, box, cell, said)
    _rule(pen, look, table, xs, ys)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=4)
    return file.getvalue(), width, height


def _cell_lines(cell: TableCell, look: TableLook) -> list[str]:
    bold = cell.is_header and look.bold_head
    return [cell.text] if cell.is_number else wrapped(cell.text, look.widest, look.face, look.size, bold=bold)


def _widen(sizes: list[float], first: int, count: int, needed: float) -> None:
    missing = needed - sum(sizes[first : first + count])
    for place in range(first, first + count if missing > 0 else first):
        sizes[place] += missing / count


def _edges(sizes: list[float], first: int) -> list[int]:
    found = [float(first)]
    for size in sizes:
        found.append(found[-1] + size)
    return [round(edge) for edge in found]


def _fill_cell(pen: ImageDraw.ImageDraw, look: TableLook, box: tuple[int, int, int, int], cell: TableCell, *,
               is_banded: bool) -> None:  # fmt: skip
    ground = look.head[0] if cell.is_header else look.band if is_banded else look.paper
    if ground != "#ffffff" or look.paper != "#ffffff":
        pen.rectangle(box, fill=ground)


def _write_cell(pen: ImageDraw.ImageDraw, look: TableLook, box: tuple[int, int, int, int], cell: TableCell,
                said: list[str]) -> None:  # fmt: skip
    bold = cell.is_header and look.bold_head
    align = "center" if cell.width > 1 else look.numbers if cell.is_number else look.names
    ink = look.head[1] if cell.is_header else "#111111"
    y = (box[1] + box[3] - len(said) * look.size * _LINE) / 2
    for line in said:
        room = box[2] - box[0] - width_of(line, look.face, look.size, bold=bold)
        x = box[0] + (look.pad[0] if align == "left" else room - look.pad[0] if align == "right" else room / 2)
        middle = y + look.size * _LINE / 2
        pen.text((round(x), round(middle)), line, ink, lettering(look.face, look.size, bold=bold), anchor="lm")
        y += look.size * _LINE


def _rule(pen: ImageDraw.ImageDraw, look: TableLook, table: Table, xs: list[int], ys: list[int]) -> None:
    """Draw the lines between cells: around every cell, below every row, or three as books have them."""
    heads = max((row + cell.height for row, column, cell in table.places() if cell.is_header and column > 0), default=1)
    if look.rules == "all":
        for row, column, cell in table.places():
            pen.rectangle((xs[column], ys[row], xs[column + cell.width], ys[row + cell.height]), outline=look.rule)
    elif look.rules == "rows":
        for row, column, cell in table.places():
            y = ys[row + cell.height]
            pen.line((xs[column], y, xs[column + cell.width], y), fill=look.rule)
        pen.line((xs[0], ys[0], xs[-1], ys[0]), fill=look.rule)
    elif look.rules == "three":
        for y, thick in ((ys[0], 2), (ys[heads], 1), (ys[-1], 2)):
            pen.line((xs[0], y, xs[-1], y), fill="#000000", width=thick)
