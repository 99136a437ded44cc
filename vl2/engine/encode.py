"""Images to visual tokens, a bounded number of tiles at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vl2.core.tiles import TileGrid
from vl2.model import VL2

TILES_AT_ONCE = 16  # attention over 729 patches of 16 heads takes 34 MB a tile and layer in float32


@torch.inference_mode()
def encode_images(model: VL2, tiles: Tensor, grids: Sequence[TileGrid]) -> tuple[Tensor, ...]:
    """Return each image's visual tokens [tokens, D] for tiles [N, 3, S, S] of all images in order."""
    side = model.config.vision_config.patches_per_side
    ratio = model.config.projector_config.downsample_ratio
    device = model.tile_newline.device
    embeds: list[Tensor] = []
    for group in _groups(grids):
        count = sum(grid.num_tiles for grid in group)
        visual = model.encode_tiles(tiles[:count].to(device), group)  # [tokens of the group, D]
        embeds += visual.split([grid.num_visual_tokens(-(-side // ratio)) for grid in group])
        tiles = tiles[count:]
    return tuple(embeds)


def _groups(grids: Sequence[TileGrid]) -> Iterator[list[TileGrid]]:
    """Yield runs of images of at most TILES_AT_ONCE tiles together, or of one image."""
    group: list[TileGrid] = []
    for grid in grids:
        if group and sum(other.num_tiles for other in (*group, grid)) > TILES_AT_ONCE:
            yield group
            group = []
        group.append(grid)
    if group:
        yield group
