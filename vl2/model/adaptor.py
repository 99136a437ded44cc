"""The vision-language adaptor: 2x2 pixel shuffle, a two-layer MLP, and the 2D layout of tiles (paper, section 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl2.core.tiles import TileGrid
from vl2.model.config import AdaptorConfig
from vl2.model.prune import keep_distinct


class Adaptor(nn.Module):
    """Patch features to embeddings in the language width."""

    def __init__(self, config: AdaptorConfig) -> None:
        super().__init__()
        self.ratio = config.downsample_ratio
        sizes = [config.input_dim * self.ratio**2] + [config.n_embed * config.mlp_ratio] * (config.depth - 1)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.output = nn.Linear(sizes[-1], config.n_embed)

    def forward(self, features: Tensor) -> Tensor:
        """Return [N, Q*Q, D] for patch features [N, P, C] of square tiles, Q being half the side, rounded up."""
        x = pixel_shuffle(features, self.ratio)
        for layer in self.hidden:
            x = F.gelu(layer(x))
        return self.output(x)


def pixel_shuffle(features: Tensor, ratio: int) -> Tensor:
    """Gather ratio x ratio neighbours into channels, ordered channel, row, column; odd sides are padded with zeros.

    [N, P, C] -> [N, ceil(side/ratio)^2, C*ratio^2].
    """
    side = int(features.shape[1] ** 0.5)
    grid = features.transpose(1, 2).unflatten(2, (side, side))  # [N, C, Y, X]
    missing = -side % ratio
    grid = F.pad(grid, (0, missing, 0, missing))
    grid = grid.unflatten(3, (-1, ratio)).unflatten(2, (-1, ratio))  # [N, C, Q, r, Q, r]
    return grid.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def layout(embeds: Tensor, grids: Sequence[TileGrid], tile_newline: Tensor, view_separator: Tensor) -> Tensor:
    """Lay the embeddings of all tiles out as visual tokens: thumbnail, view_separator, stitched local tiles.

    embeds [N, Q*Q, D] holds each image's thumbnail, then its local tiles row by row (none for a 1x1 grid, whose
    thumbnail serves twice). Where a grid says so the local tokens are pruned. Returns [sum of num_visual_tokens, D].
    """
    side = int(embeds.shape[1] ** 0.5)
    pieces: list[Tensor] = []
    for grid, tiles in zip(grids, embeds.split([grid.num_tiles for grid in grids]), strict=True):
        local = tiles[1:] if grid.num_tiles > 1 else tiles
        stitched = local.unflatten(0, (grid.rows, grid.cols)).unflatten(2, (side, side))  # [rows, cols, Q, Q, D]
        stitched = stitched.transpose(1, 2).flatten(0, 1).flatten(1, 2)  # [rows*Q, cols*Q, D]
        thumbnail = tiles[0].unflatten(0, (side, side))  # [Q, Q, D]
        pieces += [
            _with_newlines(thumbnail, tile_newline),
            view_separator[None],
            _with_newlines(stitched, tile_newline) if grid.kept_share == 1 else _pruned(stitched, grid, tile_newline),
        ]
    return torch.cat(pieces)


def _with_newlines(grid: Tensor, tile_newline: Tensor) -> Tensor:
    """End each row [X, D] of a grid [Y, X, D] with tile_newline [D]; returns [Y*(X+1), D]."""
    newlines = tile_newline.expand(grid.shape[0], 1, -1)  # [Y, 1, D]
    return torch.cat((grid, newlines), dim=1).flatten(0, 1)


def _pruned(stitched: Tensor, grid: TileGrid, tile_newline: Tensor) -> Tensor:
    """Lay out the kept ones of the local tokens [Y, X, D] in order of reading, each row ended by tile_newline [D]."""
    height, width = stitched.shape[:2]
    tokens = stitched.flatten(0, 1)  # [Y*X, D]
    kept = keep_distinct(tokens, grid.num_kept(height // grid.rows))  # [M]
    rows, ends = kept // width, torch.arange(height, device=kept.device)
    # a stable sort by row: the tile_newline of a row stands behind its tokens
    order = torch.cat((rows, ends)).argsort(stable=True)
    return torch.cat((tokens[kept], tile_newline.expand(height, -1)))[order]
