"""Plain markup: HTML of strangers written anew: only known tags and attributes, every tag closed, no address left."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser

from vl2.corpus.sources.markup import tamed

SILENT = frozenset(("head", "script", "style", "template", "noscript", "svg", "canvas", "iframe", "object", "video"))
VOID = frozenset(("br", "hr", "img", "input"))
MOST_DEPTH = 64  # of elements
Attributes = Mapping[str, str]
_SPACE = re.compile(r"\s+")


def _same(text: str, opened: tuple[str, ...]) -> str:
    return text


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What is kept of a page, and what is put in its place."""

    tags: frozenset[str]
    attributes: frozenset[str] = frozenset()
    text: Callable[[str, tuple[str, ...]], str] = _same  # of a run of text, within these tags
    word: Callable[[str], str] = str  # of an attribute that is shown
    image: Callable[[Attributes], Attributes | None] = field(default=lambda told: None)  # what to write; None for none
    rename: Callable[[str, Attributes], str] = field(default=lambda tag, told: tag)


def write_anew(markup: str, writing: Writing) -> str:
    """Return HTML with what is known of it. Tags that are not kept leave their content behind."""
    writer = _Writer(writing)
    writer.feed(tamed(markup))
    writer.close()
    writer.close_all()
    return "".join(writer.pieces).strip()


class _Writer(HTMLParser):
    def __init__(self, writing: Writing) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._writing = writing
        self._opened: list[tuple[str, str]] = []  # as it was called, as it is written; nothing where it is not kept
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent or tag in SILENT:
            if tag not in VOID and len(self._silent) < MOST_DEPTH:
                self._silent.append(tag)
            return
        told = {name: value or "" for name, value in attrs}
        written = self._writing.rename(tag, told)
        kept = written if written in self._writing.tags and len(self._opened) < MOST_DEPTH else ""
        if tag == "img":
            found = self._writing.image(told) if kept else None
            told, kept = (told, "") if found is None else (told | dict(found), kept)
        if kept:
            self.pieces.append(f"<{kept}{self._said(told)}>")
        if tag not in VOID and len(self._opened) < MOST_DEPTH:
            self._opened.append((tag, kept))

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag in self._silent:
                del self._silent[len(self._silent) - 1 - self._silent[::-1].index(tag) :]
        elif any(tag == opened for opened, _ in self._opened):
            while self._close_one() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        opened = tuple(kept for _, kept in self._opened if kept)
        said = data if "pre" in opened else _SPACE.sub(" ", data)
        if said.strip():
            said = self._writing.text(said, opened)
        elif self.pieces and self.pieces[-1].endswith((">", " ")) and "\n" in data:
            said = "\n" if not self.pieces[-1].endswith("\n") else ""
        self.pieces.append(escape(said, quote=False))

    def close_all(self) -> None:
        """Close what is still open."""
        while self._opened:
            self._close_one()

    def _close_one(self) -> str:
        tag, kept = self._opened.pop()
        if kept:
            self.pieces.append(f"</{kept}>")
        return tag

    def _said(self, told: Attributes) -> str:
        changes = {"href": lambda said: "#", "placeholder": self._writing.word, "value": self._writing.word}
        kept = [(name, changes.get(name, str)(said)) for name, said in told.items() if name in self._writing.attributes]
        return "".join(f' {name}="{escape(value)}"' for name, value in kept)
