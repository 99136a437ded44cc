"""Help texts: manuals in HTML, cut at their headings into pieces of some hundred tokens, en and zh.

Seen from Debian: libreoffice-help-*, debian-handbook, debian-reference-*. What only leads to other pages is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.filters.language import main_language
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.packages.documents.help_blocks import blocks_of
from vl2.corpus.sources.packages.documents.help_pieces import LEAST, cut, weigh
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat, number, optional_text, text
from vl2.corpus.sources.wordings import asked
from vl2.data.faults import RowError

MAX_PAGE_BYTES = 8 << 20
LEAST_WORDS = 8
_HAN = re.compile(r"[\u3400-\u9fff]")
_LANGUAGE = re.compile(r"(?:^|[/.])(?P<language>en|zh)(?:-(?:us|cn))?(?=[/.]|$)", re.IGNORECASE)
_OTHER_LANGUAGE = re.compile(r"\.[a-z]{2}(?:-[a-z]{2})?\.html$")
_GOES_ON = {"en": " (continued)", "zh": "（续）"}


def open_help(source: Source) -> list[ExpandedRows]:
    """Open the pages below a folder, a row a piece; in folders of many languages, those in English and Chinese."""
    pictures = Pictures(source.path)
    names = [name for name in find_names(source, (".html", ".htm")) if _is_read(name)]

    def look(name: str) -> Mapping[str, Any]:
        return {"page": pictures.read_text(name, MAX_PAGE_BYTES), "within": source.path}

    return [ExpandedRows(NamedRows(source.path, names, look), _pieces_of)]


def read_piece(raw: Raw) -> Sample:
    """Return a piece: its headings ask, its text answers. Raises RowError on one that says too little."""
    said = text(raw.record, "text")
    language = language_of(f"{optional_text(raw.record, 'within')}/{text(raw.record, 'file')}")
    if weigh(said) < LEAST:
        raise RowError("a piece that says too little")
    if (main_language(said) == "zh") != (language == "zh"):
        raise RowError("a piece in another language than its page")
    named = text(raw.record, "headings").strip()
    opening = named + (_GOES_ON[language] if raw.record.get("goes_on") is True else "")
    told = {"document": f"{named}\n\n{said}", "language": language, "title": named.partition("\n")[0].strip("# ")}
    name = f"{text(raw.record, 'file')}:{number(raw.record, 'number'):.0f}"
    return Sample(name, asked(opening, said, 0), provenance=told)


def language_of(path: str) -> str:
    """Return the language that the last part of a path to say so tells: `zh-CN` of a folder, `.en.` of a file."""
    found = [match["language"].lower() for match in _LANGUAGE.finditer(path)]
    return found[-1] if found else "en"


def _pieces_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    language = language_of(f"{record['within']}/{record['file']}")
    try:
        blocks = [block for block in blocks_of(record["page"]) if not _is_untranslated(block.text, language)]
    except VL2Error as error:
        raise ValueError(str(error)) from None
    pieces = [piece for piece in cut(blocks) if piece.headings and piece.text]
    return [
        {"file": record["file"], "within": record["within"], "number": place, "headings": piece.headings,
         "goes_on": piece.goes_on, "text": piece.text}
        for place, piece in enumerate(pieces)
    ]  # fmt: skip


def _is_untranslated(said: str, language: str) -> bool:
    """Tell whether a Chinese page says something in English alone that is more than names and code."""
    return (
        language == "zh" and not said.startswith("```") and not _HAN.search(said) and len(said.split()) >= LEAST_WORDS
    )


def _is_read(name: str) -> bool:
    told = _OTHER_LANGUAGE.search(name)
    return told is None or _LANGUAGE.search(told.group()) is not None


HELP_TEXTS = {
    "help_texts": SourceFormat(
        open_rows=open_help, read=read_piece,
        fields={"file": "text", "within": "text?", "number": "number", "goes_on": "boolean?", "headings": "text",
                "text": "text"},
    ),
}  # fmt: skip
