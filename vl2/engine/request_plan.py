"""RequestPlan: the memory that one request takes beside the loaded model, known before anything is computed.

The sums, in bytes, with i bytes a number (letters as in the legend):
  pixels    8 a pixel of the largest image: only one is decoded at a time, and its conversion is a second copy
  tiles     2 * N * 3 * S^2 * 4, as they are cut and put together
  features  2 * visual tokens * D * i, as they are kept and put together
  cache     T * L * entry * i
  scratch   encoding TILES_AT_ONCE tiles, and a prefill step, see vl2/weights/preflight.py; the likenesses of tokens
            when some are pruned; and what PyTorch keeps of its first calls, measured (bench/many_images.py)
All are added up, though they are not all needed at one time: a process keeps much of what it has freed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from vl2.core.errors import MemoryPreflightError
from vl2.core.tiles import TileGrid
from vl2.engine.encode import TILES_AT_ONCE
from vl2.engine.engine import STEP_TOKENS
from vl2.kernels.cache_entry import entry_bytes
from vl2.model import VL2Config
from vl2.model.prune import MOST_TOGETHER
from vl2.weights.preflight import available_bytes, language_bytes, vision_bytes

PIXEL_BYTES = 8
FIRST_CALLS_BYTES = 40_000_000


@dataclass(frozen=True, kw_only=True)
class RequestPlan:
    """Counts, and the bytes that follow from them."""

    num_images: int
    num_tiles: int
    image_tokens: int
    context_tokens: int  # prompt and answer
    pixels: int
    tiles: int
    features: int
    cache: int
    scratch: int

    @property
    def total(self) -> int:
        """Return the sum in bytes."""
        return self.pixels + self.tiles + self.features + self.cache + self.scratch

    def __str__(self) -> str:
        names = [field.name for field in fields(self)][4:]
        parts = " + ".join(f"{name} {_megabytes(getattr(self, name))}" for name in names)
        counts = f"{self.num_images} images, {self.num_tiles} tiles, {self.context_tokens} tokens"
        return f"{_megabytes(self.total)} for {counts}: {parts}"


def plan_request(
    config: VL2Config, grids: Sequence[TileGrid], context_tokens: int, *, largest_pixels: int = 0, dtype: torch.dtype,
    cache_dtype: torch.dtype | None = None,
) -> RequestPlan:
    """Add up what a request takes: the grids of its images, `context_tokens` with the answer, its largest image."""
    language, vision, size = config.language_config, config.vision_config, dtype.itemsize
    entry = entry_bytes(language.cache_width, language.cache_parts, cache_dtype or dtype)
    side = config.tile_side
    num_tiles = sum(grid.num_tiles for grid in grids)
    image_tokens = sum(grid.num_visual_tokens(side) for grid in grids)
    return RequestPlan(
        num_images=len(grids),
        num_tiles=num_tiles,
        image_tokens=image_tokens,
        context_tokens=context_tokens,
        pixels=PIXEL_BYTES * largest_pixels,
        tiles=2 * num_tiles * 3 * vision.image_size**2 * torch.float32.itemsize,
        features=2 * image_tokens * language.hidden_size * size,
        cache=context_tokens * language.num_hidden_layers * entry,
        scratch=FIRST_CALLS_BYTES
        + max((_prune_bytes(grid, side) for grid in grids), default=0)
        + min(num_tiles, TILES_AT_ONCE) * vision_bytes(vision, size)
        + language_bytes(language, size, context_tokens, STEP_TOKENS),
    )


def check_request(plan: RequestPlan, available: int | None = None, *, device: torch.device | str = "cpu") -> None:
    """Raise MemoryPreflightError when a request needs more than is available; None asks the machine."""
    available = available_bytes(device) if available is None else available
    if available is not None and plan.total > available:
        raise MemoryPreflightError(
            "memory", "this request does not fit", got=f"{_megabytes(available)} free", expected=str(plan),
            do="Use fewer or smaller images (max_tiles, image_tokens), a shorter answer, or free memory.",
        )  # fmt: skip


def _prune_bytes(grid: TileGrid, side: int) -> int:
    num_compared = min(grid.num_local_tiles * side**2, MOST_TOGETHER)
    return 0 if grid.kept_share == 1 else num_compared**2 * torch.float32.itemsize


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
