"""Dynamic tiling: which grid of tiles an image becomes, and where its pixels land in a canvas."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vl2.core.errors import ConfigError, ImageError
from vl2.core.tiles import TileGrid

UNTILED_FROM = 3  # with three or more images every image is one tile (paper, section 2)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a resized image lies in its canvas: size and upper left corner in pixels."""

    width: int
    height: int
    x: int
    y: int

    def map_box(
        self, box: tuple[float, float, float, float], width: int, height: int
    ) -> tuple[float, float, float, float]:
        """Carry corners from pixels of the width x height image into pixels of the canvas."""
        x_scale, y_scale = self.width / width, self.height / height
        x1, y1, x2, y2 = box
        return (self.x + x1 * x_scale, self.y + y1 * y_scale, self.x + x2 * x_scale, self.y + y2 * y_scale)


@dataclass(frozen=True, kw_only=True)
class TilingRule:
    """Choose a grid for an image. `candidates` are canvases (width, height) in pixels; the order breaks ties."""

    tile_size: int
    candidates: tuple[tuple[int, int], ...]
    untiled_from: int = UNTILED_FROM

    def __post_init__(self) -> None:
        if self.tile_size < 1:
            raise ConfigError("tile_size", "must be positive", got=self.tile_size)
        if not self.candidates:
            raise ConfigError("candidate_resolutions", "is empty", do="Give at least one (width, height).")
        for canvas in self.candidates:
            if min(canvas) < 1 or any(side % self.tile_size for side in canvas):
                raise ConfigError(
                    "candidate_resolutions", "not a multiple of the tile", got=list(canvas), expected=self.tile_size
                )

    @property
    def max_tiles(self) -> int:
        """Return the local tiles of the largest candidate."""
        return max(self._num_tiles(canvas) for canvas in self.candidates)

    def at_most(self, max_tiles: int) -> TilingRule:
        """Return the rule of the candidates that have at most `max_tiles` local tiles. Raises ConfigError on none."""
        if max_tiles >= self.max_tiles:
            return self
        kept = tuple(canvas for canvas in self.candidates if self._num_tiles(canvas) <= max_tiles)
        if not kept:
            smallest = min(map(self._num_tiles, self.candidates))
            raise ConfigError("max_tiles", "no candidate is so small", got=max_tiles, expected=f"at least {smallest}")
        return replace(self, candidates=kept)

    def best_canvas(self, width: int, height: int) -> tuple[int, int]:
        """Return the canvas that keeps most pixels of the image, then wastes least, then comes first.

        As the official code computes it, with its int() on floats (paper, section 2).
        """
        _refuse_empty(width, height)
        best, best_kept, best_wasted = self.candidates[0], -1, 0
        for canvas_w, canvas_h in self.candidates:
            scale = min(canvas_w / width, canvas_h / height)
            kept = min(int(width * scale) * int(height * scale), width * height)
            wasted = canvas_w * canvas_h - kept
            if kept > best_kept or (kept == best_kept and wasted < best_wasted):
                best, best_kept, best_wasted = (canvas_w, canvas_h), kept, wasted
        return best

    def grid_for(self, width: int, height: int, num_images: int = 1, *, max_tiles: int | None = None) -> TileGrid:
        """Return the grid of a width x height image in a conversation of `num_images` images (all turns counted).

        `max_tiles` leaves out larger candidates.
        """
        _refuse_empty(width, height)
        if num_images >= self.untiled_from:
            return TileGrid(1, 1)
        rule = self if max_tiles is None else self.at_most(max_tiles)
        canvas_w, canvas_h = rule.best_canvas(width, height)
        return TileGrid(rows=canvas_h // self.tile_size, cols=canvas_w // self.tile_size)

    def canvas_of(self, grid: TileGrid) -> tuple[int, int]:
        """Return (width, height) in pixels of the canvas that the grid cuts into local tiles."""
        return (grid.cols * self.tile_size, grid.rows * self.tile_size)

    def _num_tiles(self, canvas: tuple[int, int]) -> int:
        return (canvas[0] // self.tile_size) * (canvas[1] // self.tile_size)


def fit(width: int, height: int, canvas_w: int, canvas_h: int) -> Placement:
    """Return where an image lies when it is resized into a canvas, shape kept, and centred.

    The geometry of PIL's ImageOps.pad: round half to even; a side of an extreme shape can become 0.
    """
    _refuse_empty(width, height)
    fit_w, fit_h = canvas_w, canvas_h
    shape, canvas_shape = width / height, canvas_w / canvas_h
    if shape > canvas_shape:
        fit_h = round(height / width * canvas_w)
    elif shape < canvas_shape:
        fit_w = round(shape * canvas_h)
    if fit_w != canvas_w:  # as the original: only one side is ever centred
        return Placement(width=fit_w, height=fit_h, x=round((canvas_w - fit_w) * 0.5), y=0)
    return Placement(width=fit_w, height=fit_h, x=0, y=round((canvas_h - fit_h) * 0.5))


def _refuse_empty(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError("image", "has no pixels", got=f"{width}x{height}", do="Give an image of at least 1x1.")
