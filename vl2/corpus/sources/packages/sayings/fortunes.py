"""Fortunes: sayings, quotations and verses, with who said them (Debian: fortunes, fortunes-zh).

A file holds texts between lines of one `%`; the last lines of a text may tell its author. The layout is that of
strfile(1). What is only of use on a terminal, as drawings of letters, is left out, and so is what mocks people.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.filters.language import main_language
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.documents.whole_texts import WholeText
from vl2.corpus.sources.packages.sayings.quotations import ask_about
from vl2.corpus.sources.source_format import Raw, SourceFormat, text
from vl2.corpus.sources.wordings import asked
from vl2.data.faults import RowError

LONGEST = 4000  # characters
LEAST_LETTERS = 0.6  # of what is not a space: fewer are a table or a drawing
_LEFT_OUT = frozenset(
    "ascii-art debian ethnic men-women drugs politics disclaimer goedel knghtbrd translate-me zippy".split()
)  # drawings, chats, jokes about groups of people, and what makes no sense alone
_CHINESE = frozenset("chinese song100 tang300".split())
_RULE = re.compile(r"(?m)^%[^\n]*(?:\n|\Z)")
_COLOUR = re.compile(r"\x1b\[[\d;]{0,12}[A-Za-z]")
_OVERSTRUCK = re.compile(r"[^\n]\x08")
_SIGNED = re.compile(r"(?:\n[ \t]*|[ \t]{2,})--[ \t]*(?P<by>[^\n]{1,160}(?:\n[ \t]+[^\n]{1,120}){0,2})\s*\Z")
_HEADED = re.compile(
    r"\A(?:题目[:：])?《(?P<title>[^》\n]{1,40})》[^\n]{0,8}\n(?:作者[:：](?P<by>[^\n（(]{1,20})[^\n]*)?\n"
)
_TITLE = re.compile(r"《(?P<zh>[^》\n]{1,40})》|\"(?P<en>[^\"\n]{2,80})\"")
_NO_TITLES = frozenset("谚语 俗语 歇后语 古语".split())  # kinds of sayings
_COARSE = re.compile(
    r"(?i)\b(?:sex\w*|porn\w*|fuck\w*|shit\w*|whore\w*|naked|nude|virgin\w*|bastard\w*|nigg\w+|rap(?:e|ist)s?"
    r"|orgasm\w*|penis\w*|breasts?|prostitut\w+|bitch\w*|suicid\w+)\b"
)
_LOST = "□\ufffd"  # for a character that the file lacks
_DRAWN = re.compile(r"[\u2500-\u259f]|[-=_|*+]{6}")
_MANUAL = "参考手册"  # of Debian, cut at its screens; its own package holds it whole
_PROSE_LINE = 50  # characters: shorter lines are broken on purpose


def open_fortunes(source: Source, *, chinese: bool) -> list[WholeText]:
    """Open the files of a folder; indexes, links and the folder of what may offend are passed over."""
    place = Path(source.path)
    files = sorted(place.iterdir()) if place.is_dir() else []
    files = [file for file in files if file.is_file() and not file.is_symlink() and not file.suffix]
    found = [file for file in files if file.name not in _LEFT_OUT and (file.name in _CHINESE) == chinese]
    if not found:
        raise VL2Error(source.path, "no fortunes here", do="Install fortunes and fortunes-zh.")
    return [WholeText(str(file), _cut) for file in found]


def read_fortune(raw: Raw) -> Sample:
    """Return one question about a saying; the whole of it is the `document` of the row. Raises RowError."""
    shown = plain(text(raw.record, "text")[: 2 * LONGEST])  # colours and overstruck letters take their part
    letters = sum(map(str.isalnum, shown))
    if len(shown) > LONGEST or letters < LEAST_LETTERS * len("".join(shown.split())) or _DRAWN.search(shown):
        raise RowError("a text that is drawn, or too long")
    if _MANUAL in shown:
        raise RowError("a page of a manual")
    if _COARSE.search(shown) or any(sign in shown for sign in _LOST):
        raise RowError("a text that is coarse, or lacks a character")
    said, by, title = signed(shown)
    if not said:
        raise RowError("a text that says nothing")
    chinese = main_language(said) == "zh"
    said, shown = (_without_indents(one) if chinese else unwrapped(one) for one in (said, shown))
    question, answer = ask_about(said, by, title, random.Random(shown), chinese=chinese)
    told = {"document": shown, "language": "zh" if chinese else "en"}
    return Sample(raw.name, asked(question, answer, 0), provenance=told)


def plain(told: str) -> str:
    """Return a text without colours, overstruck letters, tabs and margins."""
    told = _COLOUR.sub("", told).replace("\xa0", " ")
    told = _OVERSTRUCK.sub("", told).expandtabs(8)
    told = "".join(sign for sign in told if sign == "\n" or sign.isprintable())
    return dedent("\n".join(line.rstrip() for line in told.strip("\n").splitlines()))


def signed(told: str) -> tuple[str, str, str]:
    """Return what is said, who said it and where; both may be empty."""
    headed = _HEADED.match(told)
    if headed is not None:
        return told[headed.end() :].strip("\n"), (headed["by"] or "").strip(), headed["title"].replace("‧ ", "‧")
    found = _SIGNED.search(told)
    if found is None:
        return told.strip("\n"), "", ""
    by = " ".join(found["by"].split())
    titled = _TITLE.search(by)
    title = (titled["zh"] or titled["en"]).split(" / ")[0].strip(" ,.") if titled is not None else ""
    title = "" if title in _NO_TITLES else title
    named = by[: titled.start()] if titled is not None else by
    named = re.split(r", |\bon \b|\bin \b|<|\(|\[", named)[0].strip(" ,.:;-")
    return told[: found.start()].strip("\n"), named if len(named) > 1 else "", title


def unwrapped(told: str) -> str:
    """Return a text whose lines were broken at a width as paragraphs; verses keep their lines."""
    paragraphs: list[list[str]] = []
    for line in told.splitlines():
        if not paragraphs or not line.strip() or line.startswith("  ") or not paragraphs[-1][-1].strip():
            paragraphs.append([line])
        else:
            paragraphs[-1].append(line)
    is_prose = all(len(line) >= _PROSE_LINE for lines in paragraphs for line in lines[:-1])
    if not is_prose or max(map(len, paragraphs)) == 1:
        return told
    said = (" ".join(" ".join(lines).split()) for lines in paragraphs)
    return "\n\n".join(filter(None, said))


def _without_indents(told: str) -> str:
    return "\n".join(map(str.strip, told.splitlines()))


def _cut(told: str) -> list[Mapping[str, Any]]:
    return [{"text": one} for one in _RULE.split(told) if one.strip()]


# The licences are those of the collections; what is quoted is its authors'.
FORTUNES = {
    "fortunes": SourceFormat(
        open_rows=partial(open_fortunes, chinese=False), read=read_fortune, fields={"text": "text"},
        licence="BSD-3-Clause", url="https://packages.debian.org/fortunes",
    ),
    "fortunes_zh": SourceFormat(
        open_rows=partial(open_fortunes, chinese=True), read=read_fortune, fields={"text": "text"},
        licence="GPL-3.0-or-later", url="https://packages.debian.org/fortunes-zh",
    ),
}  # fmt: skip
