"""Dense targets: what stands in each shuffled patch. Few labels a picture are too few to teach a small ViT to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample, SceneObject
from vl2.core.tiles import TileGrid
from vl2.processor.tiling import fit

NUM_SLOTS = 6  # two lines of three narrow letters meet in one shuffled patch
FIRST_CHARACTER, NUM_CHARACTERS = 32, 96  # printable ASCII; class 0 (the space) means blank
NUM_EDGES = 4
FIGURES_FILE = "figures.txt"  # one figure label a line
MIN_SCALE = 0.7  # a picture shrunk below this shows its letters too small to be asked for


@dataclass(frozen=True)
class SlotTargets:
    """Targets for N tiles of Q*Q shuffled patches; -1 means not asked."""

    characters: Tensor  # [N, Q*Q, 6] int64, characters in reading order, 0 blank
    figures: Tensor  # [N, Q*Q] int64, class of the figure over the patch's centre, 0 none
    edges: Tensor  # [N, Q*Q, 4] float32, its box in 0..1 of the image, -1 where there is none

    @classmethod
    def join(cls, parts: Sequence[SlotTargets]) -> SlotTargets:
        """Concatenate along tiles."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in ("characters", "figures", "edges")))


class FigureClasses:
    """Numbers for figure labels such as "red circle", fixed by the order of the names."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.numbers = {label: i + 1 for i, label in enumerate(labels)}

    def __len__(self) -> int:
        return len(self.numbers) + 1

    @classmethod
    def from_corpus(cls, root: Path) -> FigureClasses:
        """Read the labels that a corpus wrote beside its shard folders. Raises VL2Error when there are none."""
        path = root / FIGURES_FILE
        if not path.is_file():
            raise VL2Error(str(path), "no such file", do="Run `vl2 corpus draw` with a recipe first.")
        return cls(path.read_text(encoding="utf-8").splitlines())


def slot_targets(
    sample: Sample, grids: Sequence[TileGrid], tile_size: int, side: int, classes: FigureClasses
) -> SlotTargets:
    """Place the sample's objects into the shuffled patches of every tile; `side` is Q."""
    parts = []
    for number, grid in enumerate(grids):
        source = sample.images[number]
        objects = [item for item in sample.objects if item.image == number]
        size = (source.width or 1, source.height or 1)
        parts.append(_view(objects, size, (1, 1), tile_size, side, classes, has_edges=True))
        if grid.num_tiles > 1:
            parts.append(_view(objects, size, (grid.cols, grid.rows), tile_size, side, classes, has_edges=False))
    return SlotTargets.join(parts)


def _view(
    objects: Sequence[SceneObject], size: tuple[int, int], tiles: tuple[int, int], tile_size: int, side: int,
    classes: FigureClasses, *, has_edges: bool,
) -> SlotTargets:  # fmt: skip
    """Targets of one canvas of tiles (columns, rows)."""
    cols, rows = tiles
    placed = fit(*size, cols * tile_size, rows * tile_size)
    height, width = rows * side, cols * side
    cell = tile_size / side
    characters = np.zeros((height, width, NUM_SLOTS), dtype=np.int64)
    filled = np.zeros((height, width), dtype=np.int64)
    figures = np.zeros((height, width), dtype=np.int64)
    edges = np.full((height, width, NUM_EDGES), -1.0, dtype=np.float32)
    if min(placed.width / size[0], placed.height / size[1]) < MIN_SCALE:
        characters[:] = -1
    for item in objects:
        box = placed.map_box(item.box, *size)
        if item.kind == "glyph":
            _put_character(characters, filled, item.label, box, cell)
        elif item.label in classes.numbers:
            area = covered(box, cell, height, width)
            figures[area] = classes.numbers[item.label]
            if has_edges:
                edges[area] = [edge / size[i % 2] for i, edge in enumerate(item.box)]
    return SlotTargets(
        torch.from_numpy(_cut(characters, cols, rows, side)),
        torch.from_numpy(_cut(figures, cols, rows, side)),
        torch.from_numpy(_cut(edges, cols, rows, side)),
    )


def _put_character(characters: np.ndarray, filled: np.ndarray, label: str, box: tuple[float, ...], cell: float) -> None:
    x, y = int((box[0] + box[2]) / 2 / cell), int((box[1] + box[3]) / 2 / cell)
    number = ord(label[0]) - FIRST_CHARACTER
    if not (0 <= y < filled.shape[0] and 0 <= x < filled.shape[1] and 0 < number < NUM_CHARACTERS):
        return
    if filled[y, x] < NUM_SLOTS and characters[y, x, 0] >= 0:
        characters[y, x, filled[y, x]] = number
        filled[y, x] += 1


def covered(box: tuple[float, ...], cell: float, height: int, width: int) -> tuple[slice, slice]:
    """Return the patches whose centre lies in the box, at least the one under the box's centre."""
    spans = []
    for low, high, limit in ((box[1], box[3], height), (box[0], box[2], width)):
        first, last = round(low / cell), round(high / cell)
        if last <= first:
            first = int((low + high) / 2 / cell)
            last = first + 1
        spans.append(slice(max(0, min(first, limit - 1)), max(1, min(last, limit))))
    return spans[0], spans[1]


def _cut(canvas: np.ndarray, cols: int, rows: int, side: int) -> np.ndarray:
    """Cut [rows*Q, cols*Q, ..] into tiles row by row: [rows*cols, Q*Q, ..]."""
    rest = canvas.shape[2:]
    tiles = canvas.reshape(rows, side, cols, side, *rest).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(rows * cols, side * side, *rest))
