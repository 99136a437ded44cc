"""Images to visual tokens, a bounded number of tiles at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vl2.core.tiles import TileGrid
from vl2.model import VL2
from vl2.model.adaptor import layout

TILES_AT_ONCE = 16  # attention over 729 patches of 16 heads takes 34 MB a tile and layer in float32


@torch.inference_mode()
def embed_tiles(model: VL2, tiles: Tensor) -> Tensor:
    """Return the features [N, Q*Q, D] of tiles [N, 3, S, S]."""
    device = model.tile_newline.device
    return torch.cat([model.embed_tiles(part.to(device)) for part in tiles.split(TILES_AT_ONCE)])


@torch.inference_mode()
def encode_images(model: VL2, tiles: Tensor, grids: Sequence[TileGrid]) -> tuple[Tensor, ...]:
    """Return each image's visual tokens [tokens, D] for tiles [N, 3, S, S] of all images in order."""
    if not grids:
        return ()
    embeds = embed_tiles(model, tiles).split([grid.num_tiles for grid in grids])  # each [n, Q*Q, D]
    # one by one: a part of a larger tensor would keep all of it alive
    return tuple(
        layout(own, [grid], model.tile_newline, model.view_separator) for own, grid in zip(embeds, grids, strict=True)
    )
