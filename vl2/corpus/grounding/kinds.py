"""Kinds: what things are called in English and Chinese, and which name covers which other one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from vl2.core.settings import load_yaml

TABLE = Path(__file__).with_name("kinds.yaml")
MOST_REMEMBERED = 1 << 16  # labels
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ARTICLES = frozenset(("a", "an", "the", "this", "that", "some"))
_IRREGULAR = {"people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse",
              "knives": "knife", "geese": "goose", "leaves": "leaf", "shelves": "shelf", "loaves": "loaf"}  # fmt: skip
_SAME = frozenset(("skis", "scissors", "glasses", "bus", "tennis", "clothes", "cross", "glass", "dress", "grass"))


@dataclass(frozen=True)
class Kind:
    """One kind of thing: its Chinese name and the broader kinds it falls under."""

    name: str
    chinese: str
    broader: tuple[str, ...]
    also: tuple[str, ...]
    is_coco: bool


@dataclass(frozen=True)
class Called:
    """What a label says: its words, the kinds that they name, and all kinds that those fall under."""

    words: tuple[str, ...]
    kinds: frozenset[str]
    broader: frozenset[str]


@dataclass(frozen=True)
class Kinds:
    """A table of kinds and of colours, looked up by any of their names."""

    by_name: dict[str, Kind]
    named: dict[tuple[str, ...], tuple[str, ...]]  # words of any name to the kinds that have it
    colours: dict[str, tuple[str, frozenset[str]]]  # a colour to its Chinese and what is nearly the same
    coco: tuple[str, ...]

    def kinds_in(self, words: tuple[str, ...]) -> set[str]:
        """Return the kinds whose name stands anywhere among the words."""
        runs = (words[at:end] for at in range(len(words)) for end in range(at + 1, len(words) + 1))
        return {kind for run in runs for kind in self.named.get(run, ())}

    def with_broader(self, kinds: Iterable[str]) -> set[str]:
        """Return the kinds and everything they fall under."""
        found, left = set[str](), list(kinds)
        while left:
            kind = left.pop()
            if kind not in found:
                found.add(kind)
                left += self.by_name[kind].broader
        return found

    def read(self, label: str) -> Called:
        """Return what a label says; labels come again and again, and are remembered."""
        found = self._read.get(label)
        if found is None:
            words = words_of(label)
            kinds = self.kinds_in(words)
            found = Called(words, frozenset(kinds), frozenset(self.with_broader(kinds)))
            if len(self._read) >= MOST_REMEMBERED:
                self._read.clear()
            self._read[label] = found
        return found

    @cached_property
    def _read(self) -> dict[str, Called]:
        return {}

    def chinese(self, label: str) -> str | None:
        """Return the Chinese name of a label that is a kind, with or without a colour; None of any other."""
        words = words_of(label)
        for kind in self.named.get(words, ()):
            if words_of(kind) == words:
                return self.by_name[kind].chinese
        if len(words) > 1 and words[0] in self.colours and self.named.get(words[1:]):
            rest = self.chinese(" ".join(words[1:]))
            return f"{self.colours[words[0]][0]}的{rest}" if rest is not None else None
        return None


def words_of(label: str) -> tuple[str, ...]:
    """Return the words of a label in lower case and singular, without articles."""
    return tuple(_singular(word) for word in _WORD.findall(label.lower()) if word not in _ARTICLES)


@cache
def load_kinds() -> Kinds:
    """Return the table that comes along."""
    values = load_yaml(TABLE)
    kinds = [_kind(line) for line in values["kinds"]]
    named: dict[tuple[str, ...], tuple[str, ...]] = {}
    for kind in kinds:
        for name in (kind.name, *kind.also):
            named[words_of(name)] = (*named.get(words_of(name), ()), kind.name)
    colours = {name: (chinese, frozenset((name, *also))) for name, chinese, *_, also in map(_colour, values["colours"])}
    return Kinds({kind.name: kind for kind in kinds}, named, colours, tuple(k.name for k in kinds if k.is_coco))


def _kind(line: str) -> Kind:
    name, chinese, broader, also = (cell.strip() for cell in line.split("|"))
    return Kind(name.rstrip("*"), chinese, _listed(broader), _listed(also), name.endswith("*"))


def _colour(line: str) -> tuple[str, str, tuple[Any, ...]]:
    name, chinese, also = (cell.strip() for cell in line.split("|"))
    return name, chinese, _listed(also)


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in cell.split(",") if word.strip())


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _SAME or len(word) < 4:
        return word
    for ending, becomes in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x")):
        if word.endswith(ending):
            return word.removesuffix(ending) + becomes
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
