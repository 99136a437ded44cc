"""Scene outline: the border of what is seen of a thing, as a polygon."""

from __future__ import annotations

import numpy as np
from PIL import Image

FINENESS = 64  # cells of the longer side that a border is followed in
MOST_POINTS = 48
_AROUND = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))  # clockwise, y downwards
_STARTS = 5  # rows from which a border is looked for; of several parts the largest counts


def trace(visible: np.ndarray, corner: tuple[int, int]) -> list[int]:
    """Return `[x, y, x, y, ..]` in pixels around a mask [h, w] that lies at a corner; empty where none is wide."""
    height, width = visible.shape
    factor = min(1.0, FINENESS / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    cells = np.asarray(Image.fromarray(visible.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)) >= 128
    found = [_follow(np.pad(cells, 1), row) for row in np.linspace(0, size[1] - 1, _STARTS).round().astype(int)]
    best = max(found, key=_area)
    step = -(-len(best) // MOST_POINTS)
    points = best[::step] if step else []
    if len(points) < 3:
        return []
    scale_x, scale_y = width / size[0], height / size[1]
    return [value for x, y in points for value in (round(corner[0] + (x - 0.5) * scale_x),
                                                   round(corner[1] + (y - 0.5) * scale_y))]  # fmt: skip


def _follow(cells: np.ndarray, row: int) -> list[tuple[int, int]]:
    """Return the cells along the outer border of the part that begins a row; `cells` have an empty frame."""
    columns = np.nonzero(cells[row + 1])[0]
    if not len(columns):
        return []
    start = (int(columns[0]), row + 1)
    at, heading, points = start, 7, [start]  # as if from below: the first look is to the left, where nothing is
    for _ in range(cells.size):
        for turn in range(8):  # the hand at the wall on the left: the leftmost way that there is
            next_heading = (heading + 5 + turn) % 8
            x, y = at[0] + _AROUND[next_heading][0], at[1] + _AROUND[next_heading][1]
            if cells[y, x]:
                at, heading = (x, y), next_heading
                break
        else:
            return points  # one cell alone
        if at == start:
            return points
        points.append(at)
    return points


def _area(points: list[tuple[int, int]]) -> float:
    """Return the area of a polygon."""
    x, y = np.array(points or [(0, 0)], float).T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
