"""A budget of visual tokens is kept, spread evenly, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.processor.test_tiling import small_processor
from vl2.core.errors import ConfigError
from vl2.core.sample import ImagePart, Message, TextPart
from vl2.core.tiles import TileGrid, candidate_resolutions
from vl2.processor.budget import ImageBudget, grids_within
from vl2.processor.tiling import TilingRule

RULE = TilingRule(tile_size=384, candidates=candidate_resolutions(384, 18))
SIDE, ONE_TILE = 14, 421
SIZES = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=5)


def cost(grids) -> list[int]:
    return [grid.num_visual_tokens(SIDE) for grid in grids]


@settings(max_examples=80)
@given(SIZES, st.integers(1, 9000), st.sampled_from([1.0, 0.5, 0.1]))
def test_a_budget_is_kept_and_used(sizes, image_tokens, kept_share):
    budget = ImageBudget(image_tokens=image_tokens, kept_share=kept_share)
    one_tile = TileGrid(1, 1, kept_share).num_visual_tokens(SIDE)
    if image_tokens < one_tile * len(sizes):
        with pytest.raises(ConfigError, match=f"expected at least {one_tile * len(sizes)}"):
            grids_within(RULE, sizes, SIDE, budget)
        return
    grids = grids_within(RULE, sizes, SIDE, budget)
    assert sum(cost(grids)) <= image_tokens
    assert all(grid.kept_share == kept_share for grid in grids)
    assert grids == grids_within(RULE, sizes, SIDE, budget)
    more = grids_within(RULE, sizes, SIDE, ImageBudget(image_tokens=image_tokens + 5000, kept_share=kept_share))
    assert min(cost(more)) >= min(cost(grids))
    free = grids_within(RULE, sizes, SIDE, ImageBudget(kept_share=kept_share))
    assert all(own <= most for own, most in zip(cost(grids), cost(free), strict=True))
    if sum(cost(free)) <= image_tokens:
        assert grids == free


def test_without_a_budget_the_rule_decides():
    sizes = [(1000, 400), (300, 900)]
    assert grids_within(RULE, sizes, SIDE) == tuple(RULE.grid_for(*size, 2) for size in sizes)
    assert grids_within(RULE, sizes * 2, SIDE) == (TileGrid(1, 1),) * 4
    assert grids_within(RULE, [], SIDE) == ()


def test_equal_images_get_equal_grids_and_small_ones_leave_room():
    page, stamp = (1500, 1500), (384, 384)
    (lone,) = grids_within(RULE, [page], SIDE, ImageBudget(image_tokens=3000))
    two = grids_within(RULE, [page, page], SIDE, ImageBudget(image_tokens=2 * sum(cost([lone]))))
    assert two == (lone, lone)
    beside = grids_within(RULE, [stamp, page], SIDE, ImageBudget(image_tokens=3000 + ONE_TILE))
    assert beside == (TileGrid(1, 1), lone)


def test_what_is_left_goes_to_the_first_that_can_use_it():
    one, two = (cost([TileGrid(1, cols)])[0] for cols in (1, 2))
    wide = (768, 384)
    for image_tokens, expected in ((one + two - 1, (1, 1)), (one + two, (2, 1)), (2 * two, (2, 2))):
        grids = grids_within(RULE, [wide, wide], SIDE, ImageBudget(image_tokens=image_tokens))
        assert tuple(grid.cols for grid in grids) == expected


def test_max_tiles_bounds_each_image():
    sizes = [(3000, 3000), (3000, 500)]
    grids = grids_within(RULE, sizes, SIDE, ImageBudget(max_tiles=4))
    assert max(grid.num_local_tiles for grid in grids) <= 4
    assert grids == grids_within(RULE.at_most(4), sizes, SIDE)


@pytest.mark.parametrize(
    "values",
    [{"max_tiles": 0}, {"image_tokens": 0}, {"image_tokens": -4}, {"kept_share": 0}, {"kept_share": 1.5},
     {"kept_share": float("nan")}],
)  # fmt: skip
def test_impossible_budgets_are_refused(values):
    with pytest.raises(ConfigError):
        ImageBudget(**values)


@settings(max_examples=20)
@given(SIZES, st.integers(85, 800), st.sampled_from([1.0, 0.4]))
def test_equality_10_holds_within_a_budget(sizes, image_tokens, kept_share):
    processor = small_processor()
    images = [np.zeros((max(1, height // 10), max(1, width // 10), 3), np.uint8) for width, height in sizes]
    places = tuple(part for _ in images for part in (ImagePart(), TextPart("\n")))
    budget = ImageBudget(image_tokens=image_tokens + 85 * len(images), kept_share=kept_share)
    ready = processor([Message("user", places), Message("assistant", ())], images, budget=budget)
    counts = [grid.num_visual_tokens(processor.settings.side) for grid in ready.grids]
    assert int(ready.image_mask.sum()) == sum(counts) <= image_tokens + 85 * len(images)
    assert len(ready.tiles) == sum(grid.num_tiles for grid in ready.grids)
