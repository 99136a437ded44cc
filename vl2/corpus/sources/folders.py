"""Folders of one's own: images, PDFs and HTML pages. Nothing beyond the folder is opened, nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from PIL import Image

from vl2.core.errors import ImageError, VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.markup import tamed
from vl2.corpus.sources.pdf_pages import num_pages, render_page
from vl2.corpus.sources.pictures import SUFFIXES, Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat, text
from vl2.corpus.sources.wordings import CAPTION, READ, asked, document
from vl2.data.faults import RowError
from vl2.data.records.files import is_url
from vl2.data.records.row import MOST_IMAGES
from vl2.processor import image_size

MAX_CAPTION_BYTES, MAX_PAGE_BYTES = 1 << 16, 4 << 20
PDF_DOTS_PER_INCH = 144
MOST_DEPTH = 256  # of elements in a page
_TAKEN = {271: "camera maker", 272: "camera", 306: "taken", 270: "description"}  # EXIF tags; no places, no persons
_LONGEST_TAG = 200
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_BLOCKS = {"p", "li", "dt", "dd", "pre", "blockquote", "td", "th", "figcaption", "caption", "title", "div", "section",
           "tr", "table", "ul", "ol", "dl", "article", "br", "hr", "body", "main", *_HEADINGS}  # fmt: skip
_SILENT = {"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "nav", "footer", "form",
           "select", "button", "head"}  # fmt: skip
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}


def open_images(source: Source) -> list[NamedRows]:
    """Open the images below a folder or in a zip archive, with the text file of the same name as their caption."""
    pictures = Pictures(source.path)
    names = find_names(source, (*SUFFIXES, ".txt"))
    captions = {name for name in names if name.lower().endswith(".txt")}

    def look(name: str) -> Mapping[str, Any]:
        beside = str(PurePosixPath(name).with_suffix(".txt"))
        if beside not in captions:
            return {}
        return {"caption": pictures.read_text(beside, MAX_CAPTION_BYTES).strip()}

    return [NamedRows(source.path, [name for name in names if name not in captions], look)]


def read_image(raw: Raw) -> Sample:
    """Return an image, its caption where there is one, and what its camera says of itself."""
    name = text(raw.record, "file")
    image = raw.pictures.image(name)
    caption = raw.record.get("caption")
    told: dict[str, Any] = {"caption": caption} if caption else {}
    if metadata := _taken(image):
        told["metadata"] = metadata
    return Sample(name, asked(CAPTION, caption) if caption else (), (image,), provenance=told)


def open_pdfs(source: Source) -> list[ExpandedRows]:
    """Open the PDFs below a folder, a row a page."""
    pictures = Pictures(source.path)

    def pages(record: Mapping[str, Any]) -> list[dict[str, Any]]:
        name = record["file"]
        try:
            count = num_pages(pictures.read(name))
        except RowError as error:
            raise ValueError(str(error)) from None
        return [{"file": name, "page": number} for number in range(count)]

    return [ExpandedRows(NamedRows(source.path, find_names(source, (".pdf",))), pages)]


def read_pdf_page(raw: Raw) -> Sample:
    """Return a page and the text that it holds as text; a scan has none, and no conversation."""
    name, number = text(raw.record, "file"), int(raw.record["page"])
    page = render_page(raw.pictures.read(name), number, PDF_DOTS_PER_INCH)
    said = page.text.strip().replace("\r\n", "\n")
    told: dict[str, Any] = {"document": said} if said else {}
    return Sample(f"{name}:{number}", asked(READ, said) if said else (), (page.image,), provenance=told)


def open_pages(source: Source) -> list[NamedRows]:
    """Open the HTML pages below a folder."""
    return [NamedRows(source.path, find_names(source, (".html", ".htm", ".xhtml", ".html.gz")))]


def read_page(raw: Raw) -> Sample:
    """Return a page as texts and images in their order; images that are not in the folder are left out and counted."""
    name = text(raw.record, "file")
    return read_markup(raw, name, raw.pictures.read_text(name, MAX_PAGE_BYTES))


def read_markup(raw: Raw, name: str, markup: str) -> Sample:
    """Return HTML that stands in the file of a row as texts and images in their order."""
    reader = _Reader()
    reader.feed(tamed(markup))
    reader.close()
    reader.flush()
    pieces: list[str | ImageSource] = []
    num_missing = 0
    for kind, value in reader.pieces:
        if kind == "text":
            pieces.append(value)
            continue
        try:
            image = image_beside(raw, text(raw.record, "file"), value)
            image_size(image)
            pieces.append(image)
        except VL2Error:
            num_missing += 1
    if sum(isinstance(piece, ImageSource) for piece in pieces) > MOST_IMAGES:
        raise RowError("too many images")
    messages, images, said = document(pieces)
    told = {"document": said, "missing_images": num_missing, "title": reader.title}
    return Sample(name, messages, images, provenance=told)


def image_beside(raw: Raw, page: str, address: str) -> ImageSource:
    """Return the image of a path beside its page, or from the top of the folder. Raises RowError on any other."""
    if is_url(address) or address.startswith(("//", "data:")):
        raise RowError("an image is an address; only paths are read")
    path = unquote(address.partition("?")[0].partition("#")[0])
    return raw.pictures.image(path.lstrip("/") if path.startswith("/") else str(PurePosixPath(page).parent / path))


def _taken(image: ImageSource) -> dict[str, str]:
    if image.path is None:
        return {}
    try:
        image_size(image)  # refuses what is no image, and headers that would cost more than they tell
        with Image.open(image.path) as opened:
            tags = opened.getexif()
            found = {name: str(tags[tag]).strip("\0 ")[:_LONGEST_TAG] for tag, name in _TAKEN.items() if tag in tags}
    except (ImageError, OSError, ValueError, SyntaxError, KeyError, TypeError):
        return {}
    return {name: value for name, value in found.items() if value.isprintable() and value}


class _Reader(HTMLParser):
    """Texts and images in the order of a page, without what no reader sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[tuple[str, str]] = []
        self.title = ""
        self._text: list[str] = []
        self._silent: list[str] = []
        self._opening = ""
        self._in_title = False
        self._is_exact = False
        self._main: int | None = None  # how many pieces stand before the main part, where a page tells one

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        if self._silent or tag in _SILENT:
            if tag not in _VOID and len(self._silent) < MOST_DEPTH:
                self._silent.append(tag)
            return
        if tag == "main" and self._main is None:
            self.flush()
            self._main = len(self.pieces)
        if tag in _BLOCKS:
            self.flush()
            self._opening = _HEADINGS.get(tag, "- " if tag == "li" else "")
            self._is_exact = tag == "pre"
        if tag == "img" and (address := dict(attrs).get("src")):
            self.flush()
            self.pieces.append(("image", address.strip()))

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if self._silent:
            if tag in self._silent and tag != "main":
                del self._silent[len(self._silent) - 1 - self._silent[::-1].index(tag) :]
        elif tag in _BLOCKS:
            self.flush()
            if tag == "main" and self._main is not None:  # what follows it is silent: nothing closes this
                del self.pieces[: self._main]
                self._silent.append("main")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title = (self.title + data).strip()[:500]
        elif not self._silent:
            self._text.append(data)

    def flush(self) -> None:
        """End a block of text."""
        said = "".join(self._text)
        said = said.strip("\n") if self._is_exact else " ".join(said.split())
        if said.strip():
            self.pieces.append(("text", self._opening + said))
        self._text, self._opening, self._is_exact = [], "", False


FOLDERS = {
    "images": SourceFormat(open_rows=open_images, read=read_image, fields={"file": "text", "caption": "text?"}),
    "pdfs": SourceFormat(open_rows=open_pdfs, read=read_pdf_page, fields={"file": "text", "page": "number"}),
    "html": SourceFormat(open_rows=open_pages, read=read_page, fields={"file": "text"}),
}
