"""Web templates: the pages of startbootstrap-sb-admin-2, filled with names, sentences and pictures of a manual.

`web_page` reads whole pages, to be shown as screens; `web_part` some of their parts, small enough to be written
by a model, without pictures. A template has many fillings; `images` of the source is the manual that fills it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.filters.language import main_language
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.folders import MAX_PAGE_BYTES
from vl2.corpus.sources.packages.documents.looks import INKS
from vl2.corpus.sources.packages.documents.plain_markup import Attributes, Writing, write_anew
from vl2.corpus.sources.packages.documents.style_sheet import prune
from vl2.corpus.sources.packages.sayings.words import words_of
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, number, text
from vl2.corpus.sources.wordings import PAGE, asked
from vl2.data.faults import RowError
from vl2.processor import image_size

STYLES = "css/sb-admin-2.css"
FILLINGS = 48  # of a template
MOST_PICTURES, LEAST_SIDE = 8, 64
MOST_TABLE_ROWS = 6
PART_CHARACTERS, MOST_PARTS = (1500, 2500, 4000), 6  # of the parts that stand together
_PRIMARY, _DEEP = ("#4e73df", "#4E73DF"), "#224abe"  # the colours of the theme
_TAGS = frozenset("div nav ul ol li a span p h1 h2 h3 h4 h5 h6 form input label button table thead tbody tfoot tr th "
                  "td img hr strong em sup footer blockquote code".split())  # fmt: skip
_ATTRIBUTES = frozenset("class id style type placeholder value href src alt checked rowspan colspan".split())
_PARTS = re.compile(r'<(div class="card\b|form class="user"|nav class="navbar)[^>]*>')
_CANVAS = re.compile(r"<canvas\b[^>]*>\s*</canvas>")
_HIDDEN = re.compile(r'class="(collapse|dropdown-menu|dropdown-list dropdown-menu)(?=[ "])')
_ROW = re.compile(r"<tr>.*?</tr>\s*", re.DOTALL)
_ADDRESS = re.compile(r"url\([^)]*\)")
_DIGIT = re.compile(r"\d")


def open_templates(cut: Callable[[str], Sequence[str]], source: Source) -> list[ExpandedRows]:
    """Open the templates of a folder, a row a filling. Raises VL2Error without styles or without a manual."""
    if source.images is None:
        raise VL2Error(source.path, "no manual to fill templates with", do="Name its folder as `images`.")
    pictures, manual = Pictures(source.path), Pictures(source.images)
    styles = pictures.read_text(STYLES, MAX_PAGE_BYTES)
    names = find_names(Source(name="manual", path=source.images), (".html",))
    language = "zh" if "zh" in source.images.lower() else "en"
    words = words_of(manual, names, language)
    shared = {"styles": styles, "terms": words.terms, "sentences": words.sentences, "pictures": words.pictures}

    def fillings(record: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            parts = cut(pictures.read_text(record["file"], MAX_PAGE_BYTES))
        except VL2Error as error:
            raise ValueError(str(error)) from None
        told = shared | {"file": record["file"], "parts": parts}
        return [told | {"filling": number} for number in range(FILLINGS if parts else 0)]

    pages = [name for name in find_names(source, (".html",)) if "/" not in name]
    return [ExpandedRows(NamedRows(source.path, pages), fillings)]


def whole_page(markup: str) -> list[str]:
    """Return the body of a page."""
    body = re.search(r"<body\b([^>]*)>(.*?)(?:<!-- Scroll to Top|<!-- Bootstrap core|</body>)", markup, re.DOTALL)
    return [f"<div{body.group(1)}>{body.group(2)}</div>"] if body else []


def parts_of(markup: str) -> list[str]:
    """Return the cards, forms and bars of a page."""
    found: list[str] = []
    end = 0
    for opened in _PARTS.finditer(markup):
        if opened.start() >= end:  # not within another
            end = _end_of(markup, opened)
            found.append(markup[opened.start() : end])
    return [part for part in found if len(part) < 12_000 and "<canvas" not in part]


def _end_of(markup: str, opened: re.Match[str]) -> int:
    tag, depth = opened.group(1).split()[0], 0
    for found in re.compile(rf"<(/?){tag}\b").finditer(markup, opened.start()):
        depth += -1 if found.group(1) else 1
        if not depth:
            return found.end() + 1
    return len(markup)


def read_filled(raw: Raw, *, has_pictures: bool) -> Sample:
    """Return a template with words of its manual, and the pictures that it shows."""
    record = raw.record
    name = f"{text(record, 'file')}:{int(number(record, 'filling'))}"
    filler = _Filler(raw, random.Random(f"{name}|{has_pictures}"), has_pictures)
    parts = [str(part) for part in listed(record, "parts")]
    body = filler.body(parts if has_pictures else filler.some(parts))
    styles = text(record, "styles")
    accent = filler.dice.choice((*INKS, *_PRIMARY))
    for colour in _PRIMARY:
        styles = styles.replace(colour, accent)
    styles = _ADDRESS.sub(f"linear-gradient({accent}, #dddfeb)", styles.replace(_DEEP, accent))
    styles = prune(styles, body)
    heading = filler.term()
    page = (f'<!DOCTYPE html>\n<html lang="{filler.language}">\n<head>\n<meta charset="utf-8">\n<title>{heading}'
            f"</title>\n<style>\n{styles}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>")  # fmt: skip
    images = tuple(filler.images)
    return Sample(name, asked(PAGE, page, len(images)), images, provenance={"title": heading})


class _Filler:
    """One filling of a template."""

    def __init__(self, raw: Raw, dice: random.Random, has_pictures: bool) -> None:
        self.images: list[ImageSource] = []
        self.dice, self._raw, self._has_pictures = dice, raw, has_pictures
        self._terms = [str(term) for term in listed(raw.record, "terms")]
        self._sentences = [str(sentence) for sentence in listed(raw.record, "sentences")]
        if not self._terms or not self._sentences:
            raise RowError("a manual without words")
        self.language = "zh" if main_language(self._sentences[0]) == "zh" else "en"
        self._used: set[str] = set()

    def some(self, parts: list[str]) -> list[str]:
        """Return some parts, side by side or one below the other."""
        room, chosen = self.dice.choice(PART_CHARACTERS), list[str]()
        for part in self.dice.sample(parts, len(parts)):
            if not chosen or sum(map(len, (*chosen, part))) <= room:
                chosen.append(part)
        wide = self.dice.choice(("col-6", "col-12") if len(chosen) < 3 else ("col-4", "col-6"))
        columns = "".join(f'<div class="{wide} mb-4">{part}</div>' for part in chosen[:MOST_PARTS])
        return [f'<div class="container-fluid p-4"><div class="row">{columns}</div></div>']

    def body(self, parts: list[str]) -> str:
        """Return the parts, filled."""
        markup = _CANVAS.sub('<img src="chart" alt="" style="width: 100%; height: 100%; object-fit: cover;">',
                             "\n".join(parts))  # fmt: skip
        markup = _ROW.sub(self._row(), markup)
        if self.dice.random() < 0.5:  # a menu or a list that is open
            hidden = list(_HIDDEN.finditer(markup))
            if hidden:
                at = self.dice.choice(hidden).end()
                markup = f"{markup[:at]} show{markup[at:]}"
        return write_anew(markup, Writing(tags=_TAGS, attributes=_ATTRIBUTES, text=self._text, image=self._picture,
                                          word=self._placeholder))  # fmt: skip

    def term(self) -> str:
        """Return a name that this page does not have yet."""
        found = next((one for one in self.dice.choices(self._terms, k=20) if one not in self._used), self._terms[0])
        self._used.add(found)
        return found

    def _row(self) -> Callable[[re.Match[str]], str]:
        rows = iter(range(1 << 20))
        most = self.dice.randrange(3, MOST_TABLE_ROWS + 1)
        return lambda row: row.group() if next(rows) <= most else ""

    def _text(self, said: str, opened: tuple[str, ...]) -> str:
        told = said.strip()
        lead, end = said[: len(said) - len(said.lstrip())], said[len(said.rstrip()) :]
        if _DIGIT.search(told) and not any(map(str.isalpha, told)):
            return lead + _DIGIT.sub(lambda _: str(self.dice.randrange(1, 10)), told) + end
        if len(told) < 2:
            return said
        if len(told.split()) <= 5:
            return lead + self.term() + end
        count = 1 + len(told) // 160
        return lead + (" " if self.language == "en" else "").join(self.dice.choices(self._sentences, k=count)) + end

    def _placeholder(self, said: str) -> str:
        return self.term() if said.strip() else said

    def _picture(self, told: Attributes) -> dict[str, str] | None:
        paths = listed(self._raw.record, "pictures")
        if not self._has_pictures or not paths or len(self.images) >= MOST_PICTURES:
            return None
        for _ in range(8):
            try:
                image = self._raw.pictures.image(self.dice.choice(paths))
                if min(image_size(image)) < LEAST_SIDE:
                    continue
            except VL2Error:
                continue
            self.images.append(image)
            return {"src": f"image:{len(self.images) - 1}", "alt": ""}
        return None


_FIELDS = {"file": "text", "filling": "number", "parts": "list", "styles": "text", "terms": "list",
           "sentences": "list", "pictures": "list"}  # fmt: skip
WEB_TEMPLATES = {
    "web_page": SourceFormat(
        open_rows=partial(open_templates, whole_page), read=partial(read_filled, has_pictures=True), fields=_FIELDS,
        licence="MIT", url="https://www.npmjs.com/package/startbootstrap-sb-admin-2",
    ),
    "web_part": SourceFormat(
        open_rows=partial(open_templates, parts_of), read=partial(read_filled, has_pictures=False), fields=_FIELDS,
        licence="MIT", url="https://www.npmjs.com/package/startbootstrap-sb-admin-2",
    ),
}  # fmt: skip
