"""Tables: a header and a few rows of short cells, with or without grid lines."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from vl2.corpus.pocket.canvas import Picture, open_picture, pick_ink
from vl2.corpus.pocket.conversation import UNGRADED, Brief, Drawn, Turn, say
from vl2.corpus.pocket.lettering import SMALLEST_SIZE, Style, line_metrics, measure, pick_face, write
from vl2.corpus.pocket.read import PAGE_QUESTION
from vl2.corpus.pocket.words import CITIES, DAYS, GOODS, MONTHS, NAMES, pick_distinct

TABLE_SIZES = ((96, 96), (96, 80), (192, 96), (96, 192), (192, 192))
TABLE_SIZE_WEIGHTS = (52, 6, 26, 4, 12)
FURTHER_SHARE = 0.2  # how often a training conversation also reads the whole table
EDGE = 2

KEYS: dict[str, tuple[str, ...]] = {"Name": NAMES, "City": CITIES, "Item": tuple(word.capitalize() for word in GOODS)}
CALENDAR: dict[str, tuple[str, ...]] = {"Month": MONTHS, "Day": DAYS}
COLOUR_CELLS = ("red", "blue", "green", "black", "white", "pink", "grey")
PET_CELLS = ("cat", "dog", "fish", "bird", "horse", "none")
COLUMNS: dict[str, Callable[[random.Random], str]] = {
    "Age": lambda rng: str(rng.randint(1, 99)),
    "Score": lambda rng: str(rng.randint(0, 100)),
    "Qty": lambda rng: str(rng.randint(1, 60)),
    "Price": lambda rng: f"{rng.randint(0, 49)}.{rng.randint(0, 99):02d}",
    "Year": lambda rng: str(rng.randint(1950, 2035)),
    "Temp": lambda rng: str(rng.randint(-20, 40)),
    "Size": lambda rng: str(rng.randint(1, 999)),
    "Rank": lambda rng: str(rng.randint(1, 20)),
    "Cost": lambda rng: str(rng.randint(1, 9999)),
    "Goals": lambda rng: str(rng.randint(0, 30)),
    "Rate": lambda rng: f"{rng.randint(0, 100)}%",
    "Code": lambda rng: f"{rng.choice('ABCDEFGH')}{rng.randint(1, 99)}",
    "Pet": lambda rng: rng.choice(PET_CELLS),
    "Color": lambda rng: rng.choice(COLOUR_CELLS),
}


@dataclass(frozen=True)
class Grid:
    """The cells of a table, header first; the first column names the rows."""

    rows: tuple[tuple[str, ...], ...]

    @property
    def header(self) -> tuple[str, ...]:
        """Return the column names."""
        return self.rows[0]

    @property
    def body(self) -> tuple[tuple[str, ...], ...]:
        """Return the rows below the header."""
        return self.rows[1:]

    def text(self) -> str:
        """Return the cells as lines of words."""
        return "\n".join(" ".join(row) for row in self.rows)


def draw_table(brief: Brief) -> Drawn:
    """Draw a table and ask for cells, rows and their number."""
    rng = brief.rng
    picture, grid = draw_grid(brief)
    turns = [_ask(rng, grid) for _ in brief.kinds]
    if brief.split == "train" and rng.random() < FURTHER_SHARE:
        turns = [*turns[:-1], say(UNGRADED, PAGE_QUESTION, grid.text())] if len(turns) > 1 else turns
    return Drawn((picture,), tuple(turns))


def draw_grid(brief: Brief) -> tuple[Picture, Grid]:
    """Draw a table on a fresh picture."""
    rng = brief.rng
    width, height = rng.choices(TABLE_SIZES, TABLE_SIZE_WEIGHTS)[0]
    picture = open_picture(rng, brief.split, width, height, calm=True)
    num_columns = rng.choices((2, 3), (70, 30))[0] if width <= 96 else rng.randint(2, 4)
    grid = _fill(rng, brief, num_columns, rng.randint(2, 4))
    face, ink = pick_face(rng, brief.split), pick_ink(rng, picture.base)
    roomy = width > 96
    size = rng.randint(10, 15 if roomy and height > 96 else 13 if roomy else 11)
    while True:
        style = Style(face, size, ink)
        needed = [max(measure(row[k], style).advance for row in grid.rows) for k in range(len(grid.header))]
        if sum(needed) + 4 * len(needed) <= width - 2 * EDGE:
            break
        if size > SMALLEST_SIZE:
            size -= 1
        else:
            grid = Grid(tuple(row[:-1] for row in grid.rows)) if len(needed) > 2 else _fill(rng, brief, 2, 2)
    _lay_out(rng, picture, grid, style, needed)
    return picture, grid


def _fill(rng: random.Random, brief: Brief, num_columns: int, num_rows: int) -> Grid:
    if rng.random() < 0.15:
        key = rng.choice(list(CALENDAR))
        names = rng.sample(CALENDAR[key], num_rows)
    else:
        key = rng.choice(list(KEYS))
        names = pick_distinct(rng, brief.split, KEYS[key], num_rows, 7)
    heads = rng.sample(list(COLUMNS), num_columns - 1)
    body = [(name, *(COLUMNS[head](rng) for head in heads)) for name in names]
    return Grid(((key, *heads), *body))


def _lay_out(rng: random.Random, picture: Picture, grid: Grid, style: Style, needed: list[int]) -> None:
    above, below = line_metrics(style.face, style.size)
    num_rows = len(grid.rows)
    tightest = above + below + 2
    pitch = min((picture.height - 2 * EDGE) // num_rows, tightest + rng.randint(0, 9))
    slack = picture.width - 2 * EDGE - sum(needed) - 4 * len(needed)
    extra = rng.randint(0, max(0, slack)) // len(needed)
    left = EDGE + rng.randint(0, max(0, slack - extra * len(needed)))
    top = EDGE + rng.randint(0, max(0, picture.height - 2 * EDGE - pitch * num_rows))
    edges = [left]
    for width in needed:
        edges.append(edges[-1] + width + 4 + extra)
    _rule(rng, picture, style, edges, top, pitch, num_rows)
    align = rng.choice(("left", "center", "right"))
    for number, row in enumerate(grid.rows):
        baseline = top + number * pitch + (pitch - above - below) // 2 + above
        for column, cell in enumerate(row):
            advance = measure(cell, style).advance
            room = edges[column + 1] - edges[column] - 4 - advance
            shift = 0 if align == "left" or column == 0 else room if align == "right" else room // 2
            write(picture, edges[column] + 2 + shift, baseline, cell, style)


def _rule(rng: random.Random, picture: Picture, style: Style, edges: list[int], top: int, pitch: int,
          num_rows: int) -> None:  # fmt: skip
    looks = rng.choices(("grid", "rows", "header", "none"), (40, 20, 20, 20))[0]
    base, ink = picture.base, style.colour
    line = tuple((b * 2 + i) // 3 for b, i in zip(base, ink, strict=True))
    bottom, right = top + num_rows * pitch, edges[-1]
    if looks in ("grid", "rows"):
        for number in range(num_rows + 1):
            picture.pen.line((edges[0], top + number * pitch, right, top + number * pitch), fill=line)
    if looks == "grid":
        for x in edges:
            picture.pen.line((x, top, x, bottom), fill=line)
    if looks == "header":
        picture.pen.line((edges[0], top + pitch, right, top + pitch), fill=line)


def _ask(rng: random.Random, grid: Grid) -> Turn:
    kind, roll = "table.cell", rng.random()
    column = rng.randrange(1, len(grid.header))
    row = rng.choice(grid.body)
    head, cell = grid.header[column], row[column]
    if roll < 0.62:
        return say(kind, f"What is the {head} of {row[0]}?", cell)
    if roll < 0.88 and sum(other[column] == cell for other in grid.body) == 1:
        who = "Who" if grid.header[0] == "Name" else f"Which {grid.header[0]}"
        return say(kind, f"{who} has {head} {cell}?", row[0])
    return say(kind, "How many rows are there?", str(len(grid.body)))
