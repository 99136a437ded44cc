"""Images to visual tokens, a bounded number of tiles at a time, each image once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vl2.core.tiles import TileGrid
from vl2.engine.features import FeatureCache
from vl2.engine.tiled_image import TiledImage
from vl2.model import VL2
from vl2.model.adaptor import layout

TILES_AT_ONCE = 16  # attention over 729 patches of 16 heads takes 34 MB a tile and layer in float32


@torch.inference_mode()
def encode_images(model: VL2, tiles: Tensor, grids: Sequence[TileGrid]) -> tuple[Tensor, ...]:
    """Return each image's visual tokens [tokens, D] for tiles [N, 3, S, S] of all images in order."""
    if not grids:
        return ()
    device = model.tile_newline.device
    embeds = torch.cat([model.embed_tiles(part.to(device)) for part in tiles.split(TILES_AT_ONCE)])  # [N, Q*Q, D]
    pairs = zip(embeds.split([grid.num_tiles for grid in grids]), grids, strict=True)
    # one by one: a part of a larger tensor would keep all of it alive
    return tuple(layout(own, [grid], model.tile_newline, model.view_separator) for own, grid in pairs)


def see(model: VL2, features: FeatureCache, images: Sequence[TiledImage]) -> dict[bytes, Tensor]:
    """Return the visual tokens [tokens, D] of each image by its key.

    What is not kept is encoded, all together and each image once, and is kept from then on.
    """
    unlike = {image.key: image for image in images}
    kept = {key: features.get(key) for key in unlike}
    found = {key: embeds for key, embeds in kept.items() if embeds is not None}
    missing = [image for key, image in unlike.items() if key not in found]
    if missing:
        tiles = torch.cat([image.tiles for image in missing])  # [N, 3, S, S]
        encoded = encode_images(model, tiles, [image.grid for image in missing])
        for image, embeds in zip(missing, encoded, strict=True):
            found[image.key] = embeds
            features.put(image.key, embeds)
    return found
