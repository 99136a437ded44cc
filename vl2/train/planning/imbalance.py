"""Tile imbalance: how unevenly packs load the vision tower of the ranks, with and without levelling.

Images of a size histogram become grids by the tiling rule, documents fill packs, and each rank of a step gets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vl2.core.errors import ConfigError
from vl2.core.tiles import TileGrid
from vl2.data.balance import level
from vl2.data.packing import PackLimits
from vl2.model.config import VL2Config
from vl2.processor.tiling import TilingRule

TEXT_SHARE = 0.3  # of the documents (paper, section 3.2: of the mixture)
TEXT_DOCUMENT_TOKENS = 2600.0  # means, chosen so that a pack has about 8.5 tiles, as in the figures to compare with
CAPTION_TOKENS = 220.0
NUM_STEPS = 300


@dataclass(frozen=True, kw_only=True)
class ImageSize:
    """Images of one size in pixels, and how many there are."""

    width: int
    height: int
    count: float


@dataclass(frozen=True, kw_only=True)
class Imbalance:
    """The fullest rank over the mean, as a mean over steps; tiles of a pack on average."""

    ranks: int
    tiles_per_pack: float
    visual_share: float  # of the tokens
    unbalanced: float
    balanced: float
    largest_gap: int  # between two levelled ranks, in tiles
    moved_share: float  # of the tiles, to another rank and back


def read_histogram(path: str | Path) -> list[ImageSize]:
    """Read lines of `width height count`; `#` begins a comment. Raises ConfigError on any other line."""
    path, sizes = Path(path), []
    if not path.is_file():
        raise ConfigError(str(path), "no such file", expected="lines of width height count")
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            width, height, count = int(words[0]), int(words[1]), float(words[2])
        except (ValueError, IndexError):
            width = height = count = 0
        if len(words) != 3 or min(width, height) < 1 or not 0 < count < float("inf"):
            raise ConfigError(f"{path}:{number}", "not a size", got=line.strip()[:60], expected="width height count")
        sizes.append(ImageSize(width=width, height=height, count=count))
    if not sizes:
        raise ConfigError(str(path), "is empty", expected="lines of width height count")
    return sizes


def even_histogram(config: VL2Config) -> list[ImageSize]:
    """Return images that fill each candidate canvas equally often: what to assume when nothing is known."""
    return [ImageSize(width=width, height=height, count=1) for width, height in config.candidate_resolutions]


def measure_imbalance(
    config: VL2Config, sizes: Sequence[ImageSize], *, ranks: int, limits: PackLimits | None = None, seed: int = 0
) -> Imbalance:
    """Return the imbalance of `ranks` data-parallel ranks, a pack each, over some hundred drawn steps."""
    draw = np.random.default_rng(seed)
    tiles, visual = _pack_tiles(config, sizes, ranks * NUM_STEPS, limits or PackLimits(), draw)
    steps = tiles.reshape(NUM_STEPS, ranks)
    steps = steps[steps.sum(1) > 0]
    plans = [level(counts.tolist()) for counts in steps]
    means = steps.mean(1)
    return Imbalance(
        ranks=ranks,
        tiles_per_pack=float(steps.mean()),
        visual_share=visual,
        unbalanced=float((steps.max(1) / means).mean()),
        balanced=float((np.array([plan.largest for plan in plans]) / means).mean()),
        largest_gap=max(plan.largest - min(plan.quotas) for plan in plans),
        moved_share=float(sum(move.num_tiles for plan in plans for move in plan.moves) / steps.sum()),
    )


def _pack_tiles(
    config: VL2Config, sizes: Sequence[ImageSize], num_packs: int, limits: PackLimits, draw: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Return the tiles of each pack [packs], and the share of visual tokens. A pack ends where no document fits."""
    rule = TilingRule(tile_size=config.vision_config.image_size, candidates=config.candidate_resolutions)
    grids = [rule.grid_for(size.width, size.height) for size in sizes]
    weights = np.array([size.count for size in sizes])
    found, tokens, tiles, seen, visual = [], 0, 0, 0, 0
    while len(found) < num_packs:
        grid = None if draw.random() < TEXT_SHARE else grids[draw.choice(len(grids), p=weights / weights.sum())]
        text, image, its_tiles = _document(grid, config.tile_side, draw)
        size = min(text + image, limits.tokens)
        if tokens + size > limits.tokens or (tiles and tiles + its_tiles > limits.tiles):
            found.append(tiles)
            tokens = tiles = 0
        tokens, tiles = tokens + size, tiles + its_tiles
        seen, visual = seen + size, visual + min(image, limits.tokens)
    return np.array(found), visual / seen


def _document(grid: TileGrid | None, side: int, draw: np.random.Generator) -> tuple[int, int, int]:
    """Return text tokens, visual tokens and tiles of a document; lengths of text are exponential."""
    if grid is None:
        return 1 + int(draw.exponential(TEXT_DOCUMENT_TOKENS)), 0, 0
    return 1 + int(draw.exponential(CAPTION_TOKENS)), grid.num_visual_tokens(side), grid.num_tiles
