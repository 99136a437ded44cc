"""Dense targets lie where the objects are drawn, in every view of a picture."""

from __future__ import annotations

import pytest
import torch

from vl2.core.sample import ImageSource, Sample, SceneObject
from vl2.core.tiles import TileGrid
from vl2.data.slots import FIRST_CHARACTER, FigureClasses, slot_targets

CLASSES = FigureClasses(["red circle", "blue star"])
TILE, SIDE = 96, 6  # 16 pixels a shuffled patch


def targets_of(objects, width, height, grid):
    sample = Sample("s", (), images=(ImageSource(path="p", width=width, height=height),), objects=tuple(objects))
    return slot_targets(sample, [grid], TILE, SIDE, CLASSES)


def glyph(label, x, y):
    return SceneObject(label, (x, y, x + 5, y + 9), 0, "glyph")


def test_letters_fill_the_slots_of_their_patch_in_reading_order():
    found = targets_of([glyph("a", 2, 3), glyph("b", 8, 3), glyph("c", 17, 3)], TILE, TILE, TileGrid(1, 1))
    letters = [(found.characters[0, patch] + FIRST_CHARACTER).tolist() for patch in (0, 1)]
    assert "".join(map(chr, letters[0])) == "ab    "
    assert "".join(map(chr, letters[1])) == "c     "
    assert found.characters.shape == (1, SIDE * SIDE, 6)


def test_a_figure_marks_the_patches_it_covers_with_its_box():
    found = targets_of([SceneObject("blue star", (32, 48, 64, 80), 0, "shape")], TILE, TILE, TileGrid(1, 1))
    marked = found.figures[0].view(SIDE, SIDE)
    assert (marked[3:5, 2:4] == 2).all() and int((marked > 0).sum()) == 4
    assert found.edges[0].view(SIDE, SIDE, 4)[3, 2].tolist() == pytest.approx([32 / 96, 48 / 96, 64 / 96, 80 / 96])


def test_local_tiles_read_letters_that_the_thumbnail_cannot():
    found = targets_of([glyph("q", 130, 20)], 192, TILE, TileGrid(1, 2))
    assert found.characters.shape[0] == 3  # thumbnail and two local tiles
    assert (found.characters[0] == -1).all()  # halved: too small to be asked for
    assert (found.characters[1] == 0).all()
    place = (found.characters[2, :, 0] > 0).nonzero().item()
    assert place == 1 * SIDE + 2  # 34 pixels into the second tile, in its second row of patches
    assert torch.equal(found.edges[1:], torch.full_like(found.edges[1:], -1))
