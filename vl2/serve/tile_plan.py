"""Tile plans on the wire: how images of given sizes are cut, before they are sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vl2.model import VL2Config
from vl2.processor import Processor
from vl2.processor.budget import ImageBudget, grids_within
from vl2.serve.schema import Wire

MOST_PIXELS = 1_000_000  # of a side


class ImageSize(Wire):
    """Width and height in pixels."""

    width: Annotated[int, Field(ge=1, le=MOST_PIXELS)]
    height: Annotated[int, Field(ge=1, le=MOST_PIXELS)]


class TilesRequest(Wire):
    """Images of one conversation, in order: how many there are matters."""

    images: Annotated[list[ImageSize], Field(min_length=1, max_length=32)]
    max_tiles: Annotated[int | None, Field(ge=1)] = None


class TileCounts(Wire):
    """Local tiles beside the thumbnail, all tiles that are encoded, and the tokens they become."""

    rows: int
    cols: int
    num_tiles: int
    image_tokens: int


class TilesAnswer(Wire):
    """One entry an image."""

    images: list[TileCounts]


def plan_tiles(body: TilesRequest, config: VL2Config, processor: Processor) -> TilesAnswer:
    """Return how these images would be cut. Raises VL2Error."""
    side = config.tile_side
    sizes = [(image.width, image.height) for image in body.images]
    grids = grids_within(processor.rule, sizes, side, ImageBudget(max_tiles=body.max_tiles))
    return TilesAnswer(
        images=[
            TileCounts(
                rows=grid.rows, cols=grid.cols, num_tiles=grid.num_tiles, image_tokens=grid.num_visual_tokens(side)
            )
            for grid in grids
        ]
    )
