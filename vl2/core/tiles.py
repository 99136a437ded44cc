"""The grid of tiles that one image becomes (paper, section 2: dynamic tiling)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TileGrid:
    """Local tiles of one image: `rows` x `cols`, beside one thumbnail of the whole image."""

    rows: int
    cols: int

    @property
    def num_local_tiles(self) -> int:
        """Return how many local tiles the image has."""
        return self.rows * self.cols

    @property
    def num_tiles(self) -> int:
        """Return how many tiles are encoded: in a 1x1 grid the thumbnail serves as the local tile too."""
        return 1 if self.num_local_tiles == 1 else 1 + self.num_local_tiles

    def num_visual_tokens(self, side: int) -> int:
        """Return the placeholders of the image; `side` is the shuffled patches along one side of a tile (14).

        Thumbnail rows with a tile_newline each, one view_separator, stitched local rows with a tile_newline each.
        """
        return side * (side + 1) + 1 + self.rows * side * (self.cols * side + 1)
