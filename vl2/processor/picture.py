"""A picture of what the model reads of an image: thumbnail, local tiles, and the order of the visual tokens."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vl2.core.tiles import TileGrid
from vl2.processor.processor import Processor
from vl2.processor.tiles import to_tiles

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # by the ending of a file name

TILE, CELL, GAP, MARGIN = 192, 8, 4, 16  # pixels of the picture: a tile, a token, between tiles, around all
_TITLE = 20  # pixels of a line of text
_THUMBNAIL, _LOCAL, _NEWLINE, _SEPARATOR = "#1f77b4", ("#9467bd", "#c7b1de"), "#ff7f0e", "#2a8a2a"


@dataclass(frozen=True, kw_only=True)
class TokenCounts:
    """The visual tokens of one image (paper, section 2)."""

    thumbnail: int  # with a tile_newline in each row
    separator: int
    local: int  # with a tile_newline in each row

    @property
    def total(self) -> int:
        """Return the sum."""
        return self.thumbnail + self.separator + self.local


def count_tokens(grid: TileGrid, side: int) -> TokenCounts:
    """Return the parts of `grid.num_visual_tokens(side)`."""
    thumbnail = side * (side + 1)
    return TokenCounts(thumbnail=thumbnail, separator=1, local=grid.num_visual_tokens(side) - thumbnail - 1)


def layout_picture(image: Image.Image, processor: Processor) -> Image.Image:
    """Draw how an RGB image, alone in its conversation, becomes tiles and tokens; the tiles as the model sees them."""
    grid, side = processor.rule.grid_for(image.width, image.height), processor.settings.side
    views = _views(image, grid, processor)
    counts = count_tokens(grid, side)
    panels = [
        ("thumbnail", views[0]),
        (f"local tiles, {grid.rows} x {grid.cols}", _spread(views[1:] or views, grid)),
        (f"{counts.total} visual tokens", _tokens(grid, side)),
    ]
    width = sum(panel.width for _, panel in panels) + MARGIN * (len(panels) + 1)
    height = max(panel.height for _, panel in panels) + 3 * MARGIN + 4 * _TITLE
    canvas = Image.new("RGB", (max(width, 560), height), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    draw.text((MARGIN, MARGIN), _headline(image, grid, processor), fill="black", font=font)
    x, y = MARGIN, 2 * MARGIN + _TITLE
    for title, panel in panels:
        draw.text((x, y), title, fill="black", font=font)
        canvas.paste(panel, (x, y + _TITLE))
        x += panel.width + MARGIN
    _legend(draw, font, counts, height - MARGIN - _TITLE)
    return canvas


def encode_picture(picture: Image.Image, suffix: str) -> bytes:
    """Return the bytes of a file with this ending, one of FORMATS."""
    buffer = io.BytesIO()
    picture.save(buffer, format=FORMATS[suffix])
    return buffer.getvalue()


def _views(image: Image.Image, grid: TileGrid, processor: Processor) -> list[Image.Image]:
    """Return the tiles as pictures, thumbnail first."""
    plain = replace(processor.settings.normalization(), enabled=False)
    tiles = to_tiles(image, processor.rule, grid, plain)  # [N, 3, S, S] in 0..1
    pixels = (tiles * 255).round().byte().permute(0, 2, 3, 1).numpy()  # [N, S, S, 3]
    views = (Image.fromarray(np.ascontiguousarray(tile)) for tile in pixels)
    return [view.resize((TILE, TILE), Image.Resampling.BICUBIC) for view in views]


def _spread(tiles: list[Image.Image], grid: TileGrid) -> Image.Image:
    """Lay local tiles out row by row with gaps between them."""
    step = TILE + GAP
    panel = Image.new("RGB", (grid.cols * step - GAP, grid.rows * step - GAP), "white")
    for place, tile in enumerate(tiles):
        panel.paste(tile, (place % grid.cols * step, place // grid.cols * step))
    return panel


def _tokens(grid: TileGrid, side: int) -> Image.Image:
    """Draw one square a token, row by row in the order of reading."""
    rows = [[_THUMBNAIL] * side + [_NEWLINE]] * side + [[_SEPARATOR]]
    for y in range(grid.rows * side):
        rows.append([_LOCAL[(y // side + x // side) % 2] for x in range(grid.cols * side)] + [_NEWLINE])
    panel = Image.new("RGB", (CELL * max(map(len, rows)), CELL * len(rows)), "white")
    draw = ImageDraw.Draw(panel)
    for y, row in enumerate(rows):
        for x, color in enumerate(row):
            draw.rectangle((x * CELL, y * CELL, (x + 1) * CELL - 2, (y + 1) * CELL - 2), fill=color)
    return panel


def _headline(image: Image.Image, grid: TileGrid, processor: Processor) -> str:
    canvas_w, canvas_h = processor.rule.canvas_of(grid)
    size = processor.rule.tile_size
    return f"{image.width} x {image.height} pixels on a canvas of {canvas_w} x {canvas_h}, tiles of {size} x {size}"


def _legend(
    draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, counts: TokenCounts, y: int
) -> None:
    entries = [
        (_THUMBNAIL, f"thumbnail {counts.thumbnail}"),
        (_SEPARATOR, f"view_separator {counts.separator}"),
        (_LOCAL[0], f"local {counts.local}"),
        (_NEWLINE, "tile_newline, one a row"),
    ]
    x = MARGIN
    for color, text in entries:
        draw.rectangle((x, y + 3, x + 10, y + 13), fill=color)
        draw.text((x + 16, y), text, fill="black", font=font)
        x += int(draw.textlength(text, font=font)) + 36
