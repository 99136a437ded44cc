"""Help blocks: a page of a manual as headings, paragraphs, rows of tables and listings, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser

from vl2.corpus.sources.markup import tamed

MOST_DEPTH = 256  # of elements
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = {"p", "li", "dt", "dd", "pre", "blockquote", "figcaption", "caption", "div", "section", "tr", "table", "ul",
           "ol", "dl", "article", "br", "hr", "body", "main", *_HEADINGS}  # fmt: skip
_SILENT = {"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "nav", "header", "footer",
           "aside", "form", "select", "button", "label", "input", "head"}  # fmt: skip
_SILENT_NAMES = {"relatedtopics", "related", "docnav", "navheader", "navfooter", "toc", "banner",
                 "list-of-tables", "list-of-figures", "list-of-examples", "SearchFrame", "DonationFrame", "DEBUG",
                 "MAC"}  # fmt: skip
_SILENT_PARAGRAPHS = {
    "id title",
    "class embedded",
}  # the bar above pages of the handbook; bare links of the office help
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
_SOFT_HYPHEN = "\xad"
LISTING = "```"  # around what stands as it was typed


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block of text; `level` of a heading, 0 of others. What `leads` says nothing without the next one."""

    text: str
    level: int = 0
    leads: bool = False
    is_listed: bool = False  # an item or a row: its neighbours stand on the next line


def blocks_of(page: str) -> list[Block]:
    """Return the blocks that a reader of the page sees, without what leads to other pages."""
    reader = _Blocks()
    reader.feed(tamed(page))
    reader.close()
    reader.end_block()
    return reader.found


class _Blocks(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Block] = []
        self._said: list[str] = []
        self._silent: list[str] = []
        self._level, self._mark = 0, ""
        self._listing = self._in_row = self._leads = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent or tag in _SILENT or _is_silent(tag, dict(attrs)):
            if tag not in _VOID and len(self._silent) < MOST_DEPTH:
                self._silent.append(tag)
            return
        if tag in ("td", "th"):
            self._said.append(" | " if self._in_row and "".join(self._said).strip() else "")
        if self._listing or tag not in _BLOCKS or (self._in_row and tag != "tr"):
            self._said.append("\n" if tag == "br" and self._listing else " " if tag in _BLOCKS else "")
            return
        if not (tag in ("p", "div") and self._mark and not "".join(self._said).strip()):
            self.end_block()
            self._mark = "- " if tag == "li" else ""
        self._level, self._leads = _HEADINGS.get(tag, 0), "title" in (dict(attrs).get("class") or "").split()
        self._listing, self._in_row = tag == "pre", tag == "tr"

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag in self._silent:
                del self._silent[len(self._silent) - 1 - self._silent[::-1].index(tag) :]
        elif tag in _BLOCKS and not (self._listing and tag != "pre") and not (self._in_row and tag != "tr"):
            self.end_block()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._said.append(data.replace(_SOFT_HYPHEN, ""))

    def end_block(self) -> None:
        """End a block of text."""
        said = "".join(self._said)
        said = said.strip("\n").rstrip() if self._listing else " ".join(said.split()).strip("| ")
        if said.strip():
            listed = f"{LISTING}\n{said}\n{LISTING}" if self._listing else self._mark + said
            leads = self._leads or listed.endswith((":", "：")) or (self._in_row and "|" not in said)
            is_listed = bool(self._mark) or self._in_row
            self.found.append(Block(text=listed, level=self._level, leads=leads, is_listed=is_listed))
        self._said, self._level, self._mark = [], 0, ""
        self._listing = self._in_row = self._leads = False


def _is_silent(tag: str, told: dict[str, str | None]) -> bool:
    classes, name = (told.get("class") or "").split(), told.get("id") or ""
    if tag == "p" and {f"id {name}", *(f"class {one}" for one in classes)} & _SILENT_PARAGRAPHS:
        return True
    return bool({*classes, name} & _SILENT_NAMES)
