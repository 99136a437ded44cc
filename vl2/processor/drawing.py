"""Grounded phrases drawn onto their image."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFont

from vl2.processor.grounding import Span

# hues far apart, dark enough for white letters
COLORS = ("#d62728", "#1f77b4", "#2a8a2a", "#9467bd", "#c25e00", "#0b8a8f", "#c2338f", "#6b5b00")
_LONGEST_LABEL = 60  # characters drawn; the rest becomes an ellipsis
_MARGIN = 2  # pixels around the letters


def draw_boxes(
    image: Image.Image, spans: Iterable[Span], *, line_width: int | None = None, font_size: int | None = None
) -> Image.Image:
    """Return an RGB copy with every box and label drawn; equal labels share a colour.

    Corners are truncated to pixels as in the released code; labels stay inside the image. Sizes in pixels, by
    default in proportion to the image.
    """
    canvas = image.convert("RGB") if image.mode != "RGB" else image.copy()
    short_side = min(canvas.size)
    line_width = line_width or max(1, short_side // 200)
    font = ImageFont.load_default(font_size or max(10, short_side // 40))
    draw = ImageDraw.Draw(canvas)
    color_of: dict[str, str] = {}
    for span in spans:
        if not span.boxes:
            continue
        color = color_of.setdefault(span.label or "", COLORS[len(color_of) % len(COLORS)])
        for box in span.boxes:
            corners = box.pixels(canvas.width, canvas.height)
            draw.rectangle(corners, outline=color, width=line_width)
            _draw_label(draw, _shown(span.label or ""), corners[:2], font, color, canvas.size)
    return canvas


def _draw_label(
    draw: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[int, int],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    color: str,
    size: tuple[int, int],
) -> None:
    """Write above the upper left corner of a box, or as near as the image allows."""
    if not text:
        return
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = int(right - left) + 2 * _MARGIN, int(bottom - top) + 2 * _MARGIN
    x = max(0, min(corner[0], size[0] - width))
    y = max(0, min(corner[1] - height, size[1] - height))
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=color)
    draw.text((x + _MARGIN - left, y + _MARGIN - top), text, fill="white", font=font)


def _shown(label: str) -> str:
    """Return the label on one line, without what a font cannot show."""
    line = "".join(character if character.isprintable() else " " for character in label[: 4 * _LONGEST_LABEL])
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST_LABEL else line[: _LONGEST_LABEL - 1] + "…"
