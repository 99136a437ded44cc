"""PDF pages: rendered by pypdfium2, which is optional; how large a page may become is settled before it is drawn."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.corpus.sources.geometry import Corners
from vl2.data.faults import RowError

POINTS_PER_INCH = 72
MAX_PDF_BYTES = 64 << 20
MOST_PIXELS = 25_000_000  # of one page
MOST_PAGES = 2000


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page: PNG, its box in points, pixels a point, and the text that it holds as text."""

    image: ImageSource
    box: Corners
    scale: float
    text: str


def num_pages(data: bytes) -> int:
    """Return how many pages a document has. Raises RowError on what is no PDF."""
    document = _open(data)
    try:
        return min(len(document), MOST_PAGES)
    finally:
        document.close()


def render_page(data: bytes, number: int, dots_per_inch: float, area: Corners | None = None) -> Page:
    """Draw a page, or of its box an area in points from the top left: left, top, right, bottom.

    Raises RowError on what is no PDF, on a page that is not there, and on one that is turned: boxes that are told for
    it would be of another frame.
    """
    document = _open(data)
    try:
        if not 0 <= number < min(len(document), MOST_PAGES):
            raise RowError("a document without that page")
        page = document[number]
        if page.get_rotation():
            raise RowError("a page that is turned")
        left, bottom, right, top = (float(value) for value in page.get_cropbox())
        width, height = right - left, top - bottom
        if not (1 <= width <= 14400 and 1 <= height <= 14400):
            raise RowError("a page of no usable size")
        scale = min(dots_per_inch / POINTS_PER_INCH, (MOST_PIXELS / (width * height)) ** 0.5)
        drawn = page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB")
        if area is not None:
            pixels = [round(value * scale) for value in area]
            x1, y1, x2, y2 = (max(0, min(value, side)) for value, side in zip(pixels, drawn.size * 2, strict=True))
            if x1 >= x2 or y1 >= y2:
                raise RowError("a table that is not on its page")
            drawn = drawn.crop((x1, y1, x2, y2))
        out = io.BytesIO()
        drawn.save(out, "PNG")
        text = page.get_textpage().get_text_bounded()
        return Page(image=ImageSource(data=out.getvalue()), box=(left, bottom, right, top), scale=scale, text=text)
    except _errors():
        raise RowError("a page that cannot be drawn") from None
    finally:
        document.close()


def _open(data: bytes) -> Any:
    if len(data) > MAX_PDF_BYTES:
        raise RowError("a document is too large", got=len(data), expected=MAX_PDF_BYTES)
    try:
        import pypdfium2
    except ImportError:
        raise VL2Error("PDF", "needs pypdfium2", do="Run `pip install pypdfium2`.") from None
    try:
        return pypdfium2.PdfDocument(data)
    except _errors():
        raise RowError("not a PDF, or an encrypted one") from None


def _errors() -> tuple[type[Exception], ...]:
    import pypdfium2

    return (pypdfium2.PdfiumError, ValueError, OSError, MemoryError)
