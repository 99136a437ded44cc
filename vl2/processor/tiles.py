"""Pixels of one image to the tiles that the vision tower reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vl2.core.tiles import TileGrid
from vl2.processor.tiling import TilingRule, fit


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """Mean and deviation of each channel, in 0..1; both 0.5 as released."""

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    enabled: bool = True

    @property
    def fill(self) -> tuple[int, int, int]:
        """Return the colour of padding, 0..255. Truncated as released: 127, which is not quite zero afterwards."""
        red, green, blue = (int(255 * value) for value in self.mean)
        return (red, green, blue)

    def apply(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 pixels [N, 3, S, S] to float32 of the same shape."""
        # the order of operations of torchvision's ToTensor and Normalize: equal to the last bit
        scaled = pixels.to(torch.float32).div_(255)
        if not self.enabled:
            return scaled
        return scaled.sub_(torch.tensor(self.mean).view(3, 1, 1)).div_(torch.tensor(self.std).view(3, 1, 1))


def to_tiles(image: Image.Image, rule: TilingRule, grid: TileGrid, normalization: Normalization) -> Tensor:
    """Cut an RGB image into normalised tiles [N, 3, S, S]: thumbnail first, then local tiles row by row.

    A 1x1 grid gives one tile: its local tile would equal the thumbnail (paper, section 2).
    """
    size = rule.tile_size
    pieces = [_on_canvas(image, (size, size), normalization.fill)[None]]  # [1, S, S, 3]
    if grid.num_local_tiles > 1:
        canvas = _on_canvas(image, rule.canvas_of(grid), normalization.fill)  # [rows*S, cols*S, 3]
        cells = canvas.reshape(grid.rows, size, grid.cols, size, 3).transpose(0, 2, 1, 3, 4)
        pieces.append(cells.reshape(grid.num_local_tiles, size, size, 3))
    pixels = torch.from_numpy(np.concatenate(pieces))  # [N, S, S, 3]
    return normalization.apply(pixels.permute(0, 3, 1, 2).contiguous())  # [N, 3, S, S]


def no_tiles(tile_size: int) -> Tensor:
    """Return the tiles of a text: [0, 3, S, S]."""
    return torch.empty(0, 3, tile_size, tile_size)


def _on_canvas(image: Image.Image, canvas_size: tuple[int, int], fill: tuple[int, int, int]) -> np.ndarray:
    """Resize into the canvas, centred on the fill colour; uint8 [H, W, 3]."""
    place = fit(image.width, image.height, *canvas_size)
    canvas = Image.new("RGB", canvas_size, fill)
    if place.width and place.height:  # an extreme shape can vanish; the view is blank then, as with ImageOps.pad
        resized = image.resize((place.width, place.height), Image.Resampling.BICUBIC)
        canvas.paste(resized, (place.x, place.y))
    return np.asarray(canvas)
