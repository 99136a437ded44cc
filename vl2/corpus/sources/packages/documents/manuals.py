"""Manuals: HTML that DocBook made, as of gimp-help, debian-handbook and debian-reference, section by section.

`manual` reads sections as documents of texts and pictures. `manual_page` reads them as HTML to be shown: written anew,
in one of many looks, its pictures as `image:0`, `image:1`, .. beside it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.filters.language import language
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.folders import MAX_PAGE_BYTES, image_beside, read_markup
from vl2.corpus.sources.packages.documents.looks import manual_look
from vl2.corpus.sources.packages.documents.plain_markup import Attributes, Writing, write_anew
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat, number, text
from vl2.corpus.sources.wordings import PAGE, asked
from vl2.data.faults import RowError
from vl2.processor import image_size

LEAST_TOKENS, MOST_TOKENS = 250, 1600  # of a section, about
IMAGE_TOKENS = 421  # of a picture among several
LEAST_SIDE = 48  # pixels of a picture that a document shows; smaller ones are icons within its lines
LEAST_WORDS = 6  # of a paragraph whose language can be told
MOST_PICTURES = 16  # of a page that is shown
_MIXED = (0.02, 0.6)  # shares of Chinese between which a section is half translated
_TAG = re.compile(r"<(/?)(h[1-6]|table|ul|ol|dl|pre|p|div)\b([^>]*)>")
_HOLDS = frozenset(("table", "ul", "ol", "dl", "pre"))  # nothing is cut within
_AROUND = re.compile(r'<div class="navfooter">.*|<div class="toc">.*?</div>|<ul class="docnav">.*?</ul>', re.DOTALL)
_BLOCK = re.compile(r'<p>(?:(?!<p>).)*?</p>|<div class="para">(?:(?!<div).)*?</div>', re.DOTALL)
_IMAGE = re.compile(r"<img\b[^>]*>")
_SOURCE = re.compile(r'\bsrc="([^"]*)"')
_KEPT = frozenset("h1 h2 h3 h4 h5 h6 p ul ol li dl dt dd pre code strong em table thead tbody tr td th a img "
                  "blockquote br kbd".split())  # fmt: skip
_NUMBER = re.compile(r"^\s*(?:\d+\.)+\s*|^第\s*\d+\s*章\s*")


def open_manual(source: Source) -> list[ExpandedRows]:
    """Open the pages below a folder, a row a section."""
    pictures = Pictures(source.path)

    def sections(record: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            markup = pictures.read_text(record["file"], MAX_PAGE_BYTES)
        except VL2Error as error:
            raise ValueError(str(error)) from None
        return [{"file": record["file"], "start": start, "end": end} for start, end in cut(markup)]

    return [ExpandedRows(NamedRows(source.path, find_names(source, (".html",))), sections)]


def cut(markup: str) -> list[tuple[int, int]]:
    """Return where the sections of a page begin and end: at headings, and at paragraphs where they are long."""
    found: list[tuple[int, int]] = []
    start = end = 0
    tokens = 0.0
    for first, last, is_heading in _blocks(markup):
        more = count_tokens(markup[first:last])
        if tokens and (tokens + more > MOST_TOKENS or (is_heading and tokens >= LEAST_TOKENS)):
            found.append((start, end))
            tokens = 0.0
        if not tokens:
            start = first
        tokens, end = tokens + more, last
    return [*found, (start, end)] if tokens else found


def _blocks(markup: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the parts between headings and paragraphs, from the first heading; and whether a heading begins them."""
    places: list[tuple[int, bool]] = []
    depth = 0
    for tag in _TAG.finditer(markup):
        closes, name, told = tag.groups()
        if name in _HOLDS:
            depth = max(0, depth - 1) if closes else depth + 1
        elif not closes and name.startswith("h"):
            places.append((tag.start(), True))
            depth = 0
        elif not closes and not depth and places and (name == "p" if "class" not in told else '"para"' in told):
            places.append((tag.start(), False))
    ends = [place for place, _ in places[1:]] + [len(markup)]
    yield from ((place, end, is_heading) for (place, is_heading), end in zip(places, ends, strict=True))


def count_tokens(markup: str) -> float:
    """Return about how many tokens a part has: a quarter a letter, three quarters a Chinese character."""
    said = re.sub(r"<[^>]*>|\s+", " ", _AROUND.sub("", markup))
    letters = sum(sign < "\u2e80" for sign in said)
    return letters / 4 + (len(said) - letters) * 0.75 + IMAGE_TOKENS * len(_IMAGE.findall(markup)) / 2


def read_section(raw: Raw) -> Sample:
    """Return a section as a document; pictures that are icons are left out."""
    name, markup = _section(raw)

    def shown(tag: re.Match[str]) -> str:
        return tag.group() if _picture(raw, tag.group(), LEAST_SIDE) is not None else ""

    return read_markup(raw, name, _IMAGE.sub(shown, markup))


def read_page(raw: Raw) -> Sample:
    """Return a section as HTML, and its pictures."""
    name, markup = _section(raw)
    images: list[ImageSource] = []

    def picture(told: Attributes) -> Attributes | None:
        found = _picture(raw, f'src="{told.get("src", "")}"', 1)
        if found is None or len(images) >= MOST_PICTURES:
            return None
        images.append(found)
        return {"src": f"image:{len(images) - 1}"}

    def rename(tag: str, told: Attributes) -> str:
        return "p" if tag == "div" and told.get("class") == "para" else tag

    said = write_anew(markup, Writing(
        tags=_KEPT, attributes=frozenset(("href", "src", "alt", "colspan", "rowspan")), image=picture, rename=rename,
    ))  # fmt: skip
    heading = re.search(r"<h[1-6]>(.*?)</h[1-6]>", said, re.DOTALL)
    title = _NUMBER.sub("", re.sub(r"<[^>]*>", "", heading.group(1))).strip() if heading else ""
    tongue = "zh" if language(said)["zh"] > _MIXED[1] else "en"
    look = manual_look(random.Random(f"{name}|{tongue}"), tongue)
    page = (f'<!DOCTYPE html>\n<html lang="{tongue}">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
            f"<style>\n{look}\n</style>\n</head>\n<body>\n{said}\n</body>\n</html>")  # fmt: skip
    return Sample(name, asked(PAGE, page, len(images)), tuple(images), provenance={"title": title})


def _section(raw: Raw) -> tuple[str, str]:
    """Return the name and HTML of a section. Raises RowError on one that is half translated, or says too little."""
    file, start, end = text(raw.record, "file"), int(number(raw.record, "start")), int(number(raw.record, "end"))
    if not 0 <= start < end:
        raise RowError("a section that ends before it begins")
    markup = _AROUND.sub("", raw.pictures.read_text(file, MAX_PAGE_BYTES)[start:end])
    said = re.sub(r"<[^>]*>", " ", markup)
    if len(said.split()) < 3:
        raise RowError("a section without text")
    markup = _BLOCK.sub(_translated, markup) if language(said)["zh"] > _MIXED[0] else markup
    if _MIXED[0] < language(re.sub(r"<[^>]*>", " ", markup))["zh"] < _MIXED[1]:
        raise RowError("a section in two languages")
    return f"{escape(file)}:{start}", markup


def _translated(block: re.Match[str]) -> str:
    """Return a paragraph of a translation; nothing of one that still is English."""
    said = re.sub(r"<[^>]*>", " ", block.group())
    return block.group() if language(said)["zh"] or len(said.split()) < LEAST_WORDS else ""


def _picture(raw: Raw, tag: str, least_side: int) -> ImageSource | None:
    """Return the image of a tag; None of one that is missing, broken, elsewhere, or too small."""
    found = _SOURCE.search(tag)
    try:
        image = image_beside(raw, text(raw.record, "file"), found.group(1) if found else "")
        return image if min(image_size(image)) >= least_side else None
    except VL2Error:
        return None


_FIELDS = {"file": "text", "start": "number", "end": "number"}
MANUALS = {
    "manual": SourceFormat(open_rows=open_manual, read=read_section, fields=_FIELDS),
    "manual_page": SourceFormat(open_rows=open_manual, read=read_page, fields=_FIELDS),
}
