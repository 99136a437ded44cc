"""ImageBudget: how much of its images one request shows the model, and the grids that keep within it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vl2.core.errors import ConfigError
from vl2.core.tiles import TileGrid
from vl2.processor.tiling import TilingRule

ImageSize = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True, kw_only=True)
class ImageBudget:
    """What the images of one request may cost. Raises ConfigError on an impossible value."""

    max_tiles: int | None = None  # local tiles of an image: leaves out larger grids
    image_tokens: int | None = None  # visual tokens of all images together: larger grids are left out until they fit
    kept_share: float = 1.0  # of the local tiles' tokens: the others are pruned, the thumbnail stays whole

    def __post_init__(self) -> None:
        for name in ("max_tiles", "image_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(name, "must be positive", got=value)
        if not 0 < self.kept_share <= 1:
            raise ConfigError("kept_share", "out of range", got=self.kept_share, expected="above 0, at most 1")


WHOLE = ImageBudget()


def grids_within(
    rule: TilingRule, sizes: Sequence[ImageSize], side: int, budget: ImageBudget = WHOLE
) -> tuple[TileGrid, ...]:
    """Return the grid of each image; `side` is that of a tile in visual tokens.

    Within `image_tokens` all images get the same bound: the largest at which they fit together, so that an image
    which needs less leaves more to the others. What is then left goes to the first images that can use it.
    Raises ConfigError when one tile for each is too much already.
    """
    if budget.max_tiles is not None:
        rule = rule.at_most(budget.max_tiles)
    grids = [_grid(rule, size, len(sizes), budget) for size in sizes]
    limit = budget.image_tokens
    if limit is None or _together(grids, side) <= limit:
        return tuple(grids)
    if len(sizes) >= rule.untiled_from:
        raise _too_few(limit, grids, side)  # each is one tile already
    costs = {canvas: _grid_of(rule, canvas, budget).num_visual_tokens(side) for canvas in rule.candidates}

    def choose(size: ImageSize, bound: int) -> TileGrid:
        cheap = tuple(canvas for canvas, cost in costs.items() if cost <= bound)
        return _grid(replace(rule, candidates=cheap), size, len(sizes), budget)

    # a larger bound adds only larger grids, so that no image gets smaller by it
    bounds = sorted(set(costs.values()))
    fitting = bisect_right(bounds, limit, key=lambda bound: _together([choose(size, bound) for size in sizes], side))
    if not fitting:
        raise _too_few(limit, [choose(size, bounds[0]) for size in sizes], side)
    grids = [choose(size, bounds[fitting - 1]) for size in sizes]
    for number, size in enumerate(sizes):
        own = grids[number].num_visual_tokens(side)
        grids[number] = choose(size, own + limit - _together(grids, side))
    return tuple(grids)


def _grid(rule: TilingRule, size: ImageSize, num_images: int, budget: ImageBudget) -> TileGrid:
    grid = rule.grid_for(*size, num_images)
    return grid if budget.kept_share == 1 else replace(grid, kept_share=budget.kept_share)


def _grid_of(rule: TilingRule, canvas: ImageSize, budget: ImageBudget) -> TileGrid:
    width, height = canvas
    return TileGrid(height // rule.tile_size, width // rule.tile_size, budget.kept_share)


def _together(grids: Sequence[TileGrid], side: int) -> int:
    return sum(grid.num_visual_tokens(side) for grid in grids)


def _too_few(limit: int, least: Sequence[TileGrid], side: int) -> ConfigError:
    return ConfigError(
        "image_tokens", "too few for these images", got=limit, expected=f"at least {_together(least, side)}",
        do="Allow more, or ask about fewer images at a time.",
    )
