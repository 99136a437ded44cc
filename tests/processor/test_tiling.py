"""Which grid an image becomes, where its pixels land, and equality 10: the tile formula = placeholders."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from vl2.core.errors import ConfigError, ImageError
from vl2.core.sample import ImagePart, Message, TextPart
from vl2.core.tiles import TileGrid, candidate_resolutions
from vl2.processor import Placement, Processor, ProcessorSettings, TilingRule, Tokenizer, fit
from vl2.processor.tiles import Normalization, to_tiles

FIXTURES = Path(__file__).parents[1] / "fixtures" / "processor"
RULE = TilingRule(tile_size=384, candidates=candidate_resolutions(384))
TABLE = json.loads((FIXTURES / "resolution_table.json").read_text())
SIDES = st.integers(1, 5000)
QUESTION = (Message("user", (ImagePart(), TextPart("\nRead."))), Message("assistant", ()))


@cache
def small_processor(max_tiles: int = 9) -> Processor:
    """Return a processor of 96-pixel tiles with patches of 8: 12 patches, 6 visual tokens a side."""
    candidates = candidate_resolutions(96, max_tiles)
    values = ProcessorSettings(candidate_resolutions=candidates, patch_size=8)
    return Processor(Tokenizer.from_directory(FIXTURES / "a_tiny_mha"), values.rule(), values)


def test_recorded_table():
    assert len(TABLE["rows"]) == 280
    for width, height, best_w, best_h, thumbnail, local in TABLE["rows"]:
        assert RULE.best_canvas(width, height) == (best_w, best_h)
        for canvas, place in (((384, 384), thumbnail), ((best_w, best_h), local)):
            assert fit(width, height, *canvas) == Placement(width=place[0], height=place[1], x=place[2], y=place[3])


def test_official_candidates_in_order():
    recorded = json.loads((FIXTURES / "a_tiny_mha" / "processor_config.json").read_text())["candidate_resolutions"]
    assert [list(canvas) for canvas in candidate_resolutions(384)] == recorded


def test_eighteen_tiles_begin_with_the_official_ones():
    more = candidate_resolutions(384, 18)
    assert more[:23] == candidate_resolutions(384)
    assert len(set(more)) == len(more) == sum(18 // width for width in range(1, 19))
    assert all(width * height <= 18 * 384 * 384 for width, height in more)
    assert [(w // 384, h // 384) for w, h in more if w * h == 12 * 384 * 384] == [
        (1, 12), (12, 1), (2, 6), (6, 2), (3, 4), (4, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(("num_images", "grid"), [(1, TileGrid(2, 3)), (2, TileGrid(2, 3)), (3, TileGrid(1, 1))])
def test_three_images_are_not_tiled(num_images, grid):
    assert RULE.grid_for(1000, 400, num_images) == grid


@settings(deadline=None)
@given(SIDES, SIDES, st.integers(1, 12))
def test_max_tiles_bounds_the_grid(width, height, max_tiles):
    assert RULE.grid_for(width, height, max_tiles=max_tiles).num_local_tiles <= max_tiles


@pytest.mark.parametrize("max_tiles", [0, -3])
def test_max_tiles_below_one_is_refused(max_tiles):
    with pytest.raises(ConfigError, match="at least 1"):
        RULE.grid_for(100, 100, max_tiles=max_tiles)


def test_candidates_must_be_whole_tiles():
    with pytest.raises(ConfigError, match="multiple"):
        TilingRule(tile_size=384, candidates=((384, 400),))
    with pytest.raises(ConfigError, match="1..256"):
        candidate_resolutions(384, 10_000)
    with pytest.raises(ImageError, match="no pixels"):
        RULE.grid_for(0, 10)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 4), st.integers(1, 4))
@example(1, 700, 1, 1)
@example(383, 385, 1, 1)
def test_canvas_equals_pil_pad(width, height, rows, cols):
    image = Image.effect_noise((width, height), 80).convert("RGB")
    grid, size = TileGrid(rows, cols), 64
    rule = TilingRule(tile_size=size, candidates=((size, size),))
    tiles = to_tiles(image, rule, grid, Normalization(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), enabled=False))
    pixels = (tiles * 255).round().to(dtype=tiles.dtype).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    assert len(tiles) == grid.num_tiles
    assert np.array_equal(pixels[0], np.asarray(ImageOps.pad(image, (size, size), color=(0, 0, 0))))
    canvas = np.asarray(ImageOps.pad(image, (cols * size, rows * size), color=(0, 0, 0)))
    for number in range(grid.num_local_tiles if grid.num_tiles > 1 else 0):
        top, left = number // cols * size, number % cols * size
        assert np.array_equal(pixels[1 + number], canvas[top : top + size, left : left + size])


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(1, 3), st.sampled_from([1, 4, 9, 18]))
@example(1, 5000, 1, 9)
@example(5000, 1, 2, 18)
def test_equality_10_formula_is_placeholders(width, height, num_images, max_tiles):
    processor = small_processor(max_tiles)
    assert processor.settings.side == 6
    shape = (height, width)
    pixels = np.zeros(shape, np.uint8)
    messages = (Message("user", QUESTION[0].parts * num_images), QUESTION[1])
    result = processor(messages, [pixels] * num_images)
    formula = processor.num_visual_tokens(width, height, num_images=num_images)
    assert int(result.image_mask.sum()) == num_images * formula
    assert int((result.input_ids == processor.image_id).sum()) == num_images * formula
    assert sum(grid.num_visual_tokens(6) for grid in result.grids) == num_images * formula
    assert len(result.tiles) == sum(grid.num_tiles for grid in result.grids)
    assert (result.labels[result.image_mask] == -100).all()
    # what the adaptor makes: thumbnail rows, a separator, local rows, each row with a tile_newline
    grid = result.grids[0]
    assert formula == 6 * 7 + 1 + (grid.rows * 6) * (grid.cols * 6 + 1)


@settings(deadline=None)
@given(SIDES, SIDES)
def test_the_released_side(width, height):
    grid = RULE.grid_for(width, height)
    assert grid.num_visual_tokens(14) == 14 * 15 + 1 + grid.rows * 14 * (grid.cols * 14 + 1)


def test_boxes_map_into_the_canvas():
    place = fit(1000, 400, 1152, 768)
    assert (place.width, place.height, place.x, place.y) == (1152, 461, 0, 154)
    assert place.map_box((0, 0, 1000, 400), 1000, 400) == pytest.approx((0, 154, 1152, 615))
    assert place.map_box((500, 200, 500, 200), 1000, 400) == pytest.approx((576, 384.5, 576, 384.5))


def test_infovqa_processor():
    more = small_processor().with_max_tiles(18)
    assert more.rule.max_tiles == 18
    assert more.rule.grid_for(1920, 960).num_local_tiles == 18
    assert small_processor().rule.max_tiles == 9
