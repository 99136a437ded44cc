"""Words: names, sentences and pictures of a manual, to fill the templates of web pages with."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vl2.core.errors import VL2Error
from vl2.corpus.filters.language import main_language
from vl2.corpus.sources.folders import MAX_PAGE_BYTES
from vl2.corpus.sources.pictures import Pictures

MOST_FILES = 160  # of a manual that are read
LONGEST_TERM, LONGEST_SENTENCE = {"en": 28, "zh": 12}, {"en": 160, "zh": 70}
_TERM = re.compile(
    r'<span class="gui\w*">([^<]{2,40})</span>|<h[1-6][^>]*>(?:<a [^>]*/>|<a [^>]*></a>)?([^<]{2,60})</h'
)
_PARAGRAPH = re.compile(r'<(?:p|div class="para")>(.*?)</(?:p|div)>', re.DOTALL)
_SENTENCE = re.compile(r"[^.。！？!?]{8,}(?:[。！？]|[.!?](?=\s|$))")
_PICTURE = re.compile(r'<img\b[^>]*\bsrc="([^":]+\.(?:png|jpg))"')
_NUMBER = re.compile(r"^(?:[A-Z]\.)?[\s\d.]+|^(?:Chapter|Appendix) \w+\. |^第\s*\d+\s*章\s*")


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a manual holds, each once, in the order of its files."""

    terms: list[str]
    sentences: list[str]
    pictures: list[str]  # paths


def words_of(pictures: Pictures, names: Sequence[str], language: str) -> Words:
    """Return the words of some pages that are of a language."""
    step = max(1, len(names) // MOST_FILES)
    terms: dict[str, None] = {}
    sentences: dict[str, None] = {}
    paths: dict[str, None] = {}
    for name in names[::step]:
        try:
            markup = pictures.read_text(name, MAX_PAGE_BYTES)
        except VL2Error:
            continue
        terms |= dict.fromkeys(_in(language, (one or other for one, other in _TERM.findall(markup)), LONGEST_TERM))
        said = (one.strip() for found in _PARAGRAPH.findall(markup) for one in _SENTENCE.findall(_plain(found)))
        whole = (one for one in said if not one[:1].islower())
        sentences |= dict.fromkeys(_in(language, whole, LONGEST_SENTENCE))
        folder = name.rpartition("/")[0]
        paths |= dict.fromkeys(f"{folder}/{path}".lstrip("/") for path in _PICTURE.findall(markup))
    return Words(terms=list(terms), sentences=list(sentences), pictures=list(paths))


def _in(language: str, texts: Iterable[str], longest: dict[str, int]) -> list[str]:
    found = (_NUMBER.sub("", _plain(text)).strip(" :：…,，;") for text in texts)
    return [text for text in found if 2 <= len(text) <= longest[language] and main_language(text) == language]


def _plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", markup)).split())
