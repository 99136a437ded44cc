"""EncodedImage: an image whose visual tokens are kept, so that the next question about it does not see it anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.core.errors import ImageError
from vl2.core.tiles import TileGrid
from vl2.engine.encode import encode_images
from vl2.model import VL2
from vl2.processor.images import DEFAULT_LIMITS, ImageInput, open_image


class EncodedImage:
    """RGB pixels and, for each grid that a conversation asked for, the visual tokens of one model.

    The grid can change: from three images on every image is one tile (paper, section 2).
    """

    def __init__(self, pixels: np.ndarray, model: VL2) -> None:
        self.pixels = pixels  # uint8 [H, W, 3], upright
        self.model = model
        self.visual_embeds: dict[TileGrid, Tensor] = {}  # each [visual tokens, D]

    @classmethod
    def open(cls, source: ImageInput | EncodedImage, model: VL2) -> EncodedImage:
        """Decode an image; an encoded one is returned as it is. Raises ImageError."""
        if not isinstance(source, EncodedImage):
            return cls(np.asarray(open_image(source, limits=DEFAULT_LIMITS)), model)
        if source.model is not model:
            raise ImageError("image", "was encoded by another model", do="Encode it with this one.")
        return source

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return self.pixels.shape[0]


def visual_embeds(model: VL2, prompt: ModelInput, images: Sequence[EncodedImage]) -> Tensor | None:
    """Return the visual tokens of the prompt [tokens, D], None without images; what is new is encoded and kept."""
    tiles = prompt.tiles.split([grid.num_tiles for grid in prompt.grids])
    pairs = list(zip(images, prompt.grids, strict=True))
    # by identity: an image that stands in the prompt twice is encoded once
    missing = {(id(image), grid): place for place, (image, grid) in enumerate(pairs) if grid not in image.visual_embeds}
    places = list(missing.values())
    if places:
        grids = [prompt.grids[place] for place in places]
        found = encode_images(model, torch.cat([tiles[place] for place in places]), grids)
        for place, embeds in zip(places, found, strict=True):
            images[place].visual_embeds[prompt.grids[place]] = embeds
    return torch.cat([image.visual_embeds[grid] for image, grid in pairs]) if pairs else None
