"""Page: HTML of strangers as Chromium shows it: a picture and the text that can be seen. Nothing else is loaded.

A page comes under a policy that forbids scripts, forms, navigation and every address, to a browser that knows no host
(vl2.corpus.sandbox.browser). Its pictures stand in it as data.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from html.parser import HTMLParser

from vl2.core.errors import VL2Error
from vl2.corpus.sandbox.browser import Loading, load_page
from vl2.corpus.sandbox.visible import LOOK, Element, Line, read_look
from vl2.corpus.sources.markup import tamed

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
MOST_HTML = 4 << 20
_HIDDEN = frozenset(("script", "style", "head", "template", "noscript", "title", "svg", "iframe", "object"))
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())


@dataclass(frozen=True)
class Shown:
    """What a browser makes of a page."""

    picture: bytes  # PNG
    text: str


@dataclass(frozen=True)
class Seen:
    """What can be seen of a page: boxes in pixels of the picture, and its text in reading order."""

    picture: bytes  # PNG
    size: tuple[int, int]
    elements: tuple[Element, ...]
    lines: tuple[Line, ...]
    document: str


def find_browser() -> str | None:
    """Return the path of a Chromium, None where none is installed."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def show_page(html: str, size: tuple[int, int] = (1280, 800), timeout_s: float = 60.0) -> Shown:
    """Return a page as it is shown in a window of that size. Raises VL2Error where it cannot be."""
    loaded = load_page(_browser_for(html), Loading(html=html, policy=POLICY, size=size, timeout_s=timeout_s))
    return Shown(loaded.picture, visible_text(loaded.markup))


def look_at_page(
    html: str, size: tuple[int, int], *, scroll: float = 0.0, most_lines: int | None = None, timeout_s: float = 60.0
) -> Seen:
    """Return a page with boxes of what can be seen of it, scrolled by a share of what is below its window.

    With `most_lines` the picture ends below them, or where the page does, and cuts no line in two.
    Raises VL2Error as `show_page`.
    """
    look = LOOK % (scroll, "Infinity" if most_lines is None else most_lines, str(most_lines is not None).lower())
    loading = Loading(html=html, policy=POLICY, size=size, look=look, timeout_s=timeout_s)
    loaded = load_page(_browser_for(html), loading)
    elements, lines, document = read_look(loaded.found)
    return Seen(loaded.picture, (size[0], int(loaded.found["height"])), elements, lines, document)


def _browser_for(html: str) -> str:
    browser = find_browser()
    if browser is None:
        raise VL2Error("page", "no Chromium is installed", do="Install chromium.")
    if len(html) > MOST_HTML:
        raise VL2Error("page", "too long", expected=f"at most {MOST_HTML} characters")
    return browser


def visible_text(html: str) -> str:
    """Return the words of a page that are not markup, style or script, one space between them."""
    reader = _TextReader()
    reader.feed(tamed(html))
    return " ".join("".join(reader.pieces).split())


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what hides, and a gap where a block begins."""
        if tag in _HIDDEN and tag not in _VOID:
            self._hidden.append(tag)
        self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """End what hides; an end without its start is passed over, as browsers do."""
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        """Keep what can be seen."""
        if not self._hidden:
            self.pieces.append(re.sub(r"[\ud800-\udfff]", "", data))
