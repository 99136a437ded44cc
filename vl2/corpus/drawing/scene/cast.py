"""Scene cast: the things that stand in scenes, their stamps, what they are called; and what lies behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vl2.core.settings import load_yaml

TABLE = Path(__file__).with_name("cast.yaml")  # whoever changes it raises the version of the step
_VOWELS = "aeiou"


@dataclass(frozen=True)
class Thing:
    """One kind of thing."""

    label: str
    plural: str
    chinese: str
    measure: str  # the Chinese word between a number and the thing
    size: int  # from 1, a fruit, to 5, a house
    stamps: tuple[str, ...]  # files below the folder of stamps
    lettered: frozenset[str]  # those of them with letters, which may not be mirrored


@dataclass(frozen=True)
class Ground:
    """A picture that shows none of the things."""

    file: str
    english: str
    chinese: str
    licence: str


@dataclass(frozen=True)
class Cast:
    """All things and grounds, and which stamp shows which thing."""

    things: tuple[Thing, ...]
    grounds: tuple[Ground, ...]
    by_stamp: dict[str, Thing]
    chinese: dict[str, str]  # of every label


@cache
def load_cast() -> Cast:
    """Return the table that comes along."""
    values = load_yaml(TABLE)
    things = tuple(map(_thing, values["things"]))
    by_stamp = {stamp: thing for thing in things for stamp in thing.stamps}
    grounds = tuple(Ground(*_cells(line)) for line in values["grounds"])
    return Cast(things, grounds, by_stamp, {thing.label: thing.chinese for thing in things})


def _thing(line: str) -> Thing:
    label, plural, chinese, measure, size, stamps = _cells(line)
    files = tuple(f"{stamp.rstrip('!')}.png" for stamp in stamps.split())
    lettered = frozenset(file for file, stamp in zip(files, stamps.split(), strict=True) if stamp.endswith("!"))
    return Thing(label, plural or _plural(label), chinese, measure, int(size), files, lettered)


def _plural(label: str) -> str:
    return f"{label[:-1]}ies" if label.endswith("y") and label[-2] not in _VOWELS else f"{label}s"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]
