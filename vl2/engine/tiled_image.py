"""TiledImage: an image of a prompt as it was cut, its key, and where its visual tokens stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.core.tiles import TileGrid
from vl2.engine.request import Request
from vl2.engine.sequence import ImageSpan, image_key


@dataclass(frozen=True)
class TiledImage:
    """An image as it was cut. Equal keys mean equal tiles on equal grids, of which an equal share is kept."""

    key: bytes
    tiles: Tensor  # [N, 3, S, S]
    grid: TileGrid


def tiled_images(prompt: ModelInput) -> tuple[TiledImage, ...]:
    """Return the images of a prompt."""
    pieces = prompt.tiles.split([grid.num_tiles for grid in prompt.grids])
    pairs = zip(pieces, prompt.grids, strict=True)
    return tuple(TiledImage(_key(tiles, grid), tiles, grid) for tiles, grid in pairs)


def image_spans(request: Request, images: Sequence[TiledImage], side: int) -> tuple[ImageSpan, ...]:
    """Return where each image of a prompt stands, with its key; `side` is that of a tile in visual tokens.

    Images that were encoded before are known by their visual tokens.
    """
    places = request.prompt.image_mask.nonzero().flatten().tolist()
    grids = request.prompt.grids
    counts = [grid.num_visual_tokens(side) for grid in grids]
    keys = [image.key for image in images]
    if request.visual_embeds is not None:
        pieces = request.visual_embeds.split(counts)
        keys = [_key(embeds, grid) for embeds, grid in zip(pieces, grids, strict=True)]
    spans: list[ImageSpan] = []
    taken = 0
    for key, count in zip(keys, counts, strict=True):
        spans.append(ImageSpan(places[taken], places[taken + count - 1] + 1, key))
        taken += count
    return tuple(spans)


def _key(content: Tensor, grid: TileGrid) -> bytes:
    return image_key(content.cpu().contiguous().view(torch.uint8).numpy().tobytes(), grid)
