"""Sight: images of requests on their way through the vision tower, a bounded number of tiles at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vl2.engine.encode import embed_tiles
from vl2.engine.features import FeatureCache
from vl2.engine.tiled_image import TiledImage
from vl2.model import VL2
from vl2.model.adaptor import layout


class Look:
    """The images of one request: visual tokens [tokens, D] of those that are seen, in `found` by key."""

    def __init__(self, images: Sequence[TiledImage]) -> None:
        self.images = images
        self.found: dict[bytes, Tensor] = {}
        self.begun: dict[bytes, list[Tensor]] = {}  # features [n, Q*Q, D] of the first tiles

    def unseen(self) -> list[TiledImage]:
        """Return the images that are not seen yet, each once."""
        unlike = {image.key: image for image in self.images}
        return [image for key, image in unlike.items() if key not in self.found]

    def visual(self) -> Tensor:
        """Return the visual tokens [tokens, D] of all images in order; they must all be seen."""
        return torch.cat([self.found[image.key] for image in self.images])


@torch.inference_mode()
def look_on(model: VL2, features: FeatureCache, looks: Sequence[Look], num_tiles: int | None = None) -> None:
    """Encode what is not kept, all together and each image once: the next `num_tiles` tiles, None for all of them.

    An image whose tiles are all encoded is found by every request that shows it, and is kept from then on.
    """
    pieces = _next_pieces(features, looks, num_tiles)
    if not pieces:
        return
    tiles = torch.cat([part for _, _, part in pieces])  # [N, 3, S, S]
    embeds = embed_tiles(model, tiles).split([len(part) for _, _, part in pieces])  # each [n, Q*Q, D]
    for (look, image, _), part in zip(pieces, embeds, strict=True):
        begun = look.begun.setdefault(image.key, [])
        begun.append(part)
        if sum(map(len, begun)) == len(image.tiles):
            del look.begun[image.key]
            whole = layout(torch.cat(begun), [image.grid], model.tile_newline, model.view_separator)
            features.put(image.key, whole)
            for other in looks:
                if any(image.key == one.key for one in other.images):
                    other.found[image.key] = whole


def _next_pieces(
    features: FeatureCache, looks: Sequence[Look], num_tiles: int | None
) -> list[tuple[Look, TiledImage, Tensor]]:
    """Choose tiles [n, 3, S, S] in order of arrival; images that are kept need none."""
    left = sum(len(image.tiles) for look in looks for image in look.images) if num_tiles is None else num_tiles
    pieces: dict[bytes, tuple[Look, TiledImage, Tensor]] = {}
    for look in looks:
        for image in look.unseen():
            if left == 0:
                break
            begun = look.begun.get(image.key, [])
            kept = None if begun or image.key in pieces else features.get(image.key)
            if kept is not None:
                look.found[image.key] = kept
            elif image.key not in pieces:
                first = sum(map(len, begun))
                part = image.tiles[first : first + left]  # [n, 3, S, S]
                pieces[image.key] = look, image, part
                left -= len(part)
    return list(pieces.values())
