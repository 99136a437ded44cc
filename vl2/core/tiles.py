"""The grid of tiles that one image becomes (paper, section 2: dynamic tiling)."""

from __future__ import annotations

from dataclasses import dataclass

from vl2.core.errors import ConfigError

PAPER_MAX_TILES = 9  # m * n <= 9 (paper, section 2); InfoVQA is evaluated with 18 (section 5.1)
LARGEST_MAX_TILES = 256  # a bound for untrusted requests: 256 tiles are 450 MB of pixels at 384


@dataclass(frozen=True)
class TileGrid:
    """Local tiles of one image: `rows` x `cols`, beside one thumbnail of the whole image."""

    rows: int
    cols: int
    kept_share: float = 1.0  # of the tokens of the local tiles; the rest is pruned, see vl2/model/prune.py

    def num_kept(self, side: int) -> int:
        """Return the tokens of the local tiles that stay, without tile_newlines."""
        return max(1, round(self.kept_share * self.num_local_tiles * side * side))

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

        Thumbnail rows with a tile_newline each, one view_separator, stitched local rows with a tile_newline each;
        of pruned local tiles the kept tokens and every tile_newline.
        """
        return side * (side + 1) + 1 + self.rows * side + self.num_kept(side)


def candidate_resolutions(tile_size: int, max_tiles: int = PAPER_MAX_TILES) -> tuple[tuple[int, int], ...]:
    """Return all canvases (width, height) of at most `max_tiles` tiles in the official order.

    The order of the released 23 candidates, kept beyond nine: fewer tiles first, then the more elongated shape,
    then the upright one of a pair.
    """
    if not 1 <= max_tiles <= LARGEST_MAX_TILES:
        raise ConfigError("max_tiles", "out of range", got=max_tiles, expected=f"1..{LARGEST_MAX_TILES}")
    shapes = [(w, h) for w in range(1, max_tiles + 1) for h in range(1, max_tiles // w + 1)]
    shapes.sort(key=lambda shape: (shape[0] * shape[1], min(shape), shape[0]))
    return tuple((w * tile_size, h * tile_size) for w, h in shapes)
