"""Entries: data as lines of `name: value`, and which of their names and numbers a question is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property

_LINE = re.compile(r"^(?P<head>.+?)\s*(?::\s|：)\s*(?P<value>[^:：]+)$")
_NUMBER = re.compile(r"^[^\d\s-]{0,3}\s*(?P<digits>-?\d[\d,]*(?:\.\d+)?)\s*(?P<unit>[%％]|[^\d\s]{0,6})$")
_CELLS = " | "
_JOINTS = (", ", "，")


@dataclass(frozen=True)
class Entry:
    """One value: the series or row that it is of, empty where there is one alone, its name, and how it is said."""

    series: str
    name: str
    said: str
    joint: str = ""  # what stands between both

    @cached_property
    def number(self) -> Decimal | None:
        """Return the value as a number; None of another."""
        found = _NUMBER.match(self.said)
        try:
            return Decimal(found["digits"].replace(",", "")) if found else None
        except InvalidOperation:
            return None

    @property
    def label(self) -> str:
        """Return how the entry is called in full."""
        return f"{self.series}{self.joint}{self.name}"


@dataclass(frozen=True)
class Data:
    """What a chart or a table shows: its title and its entries."""

    title: str
    entries: tuple[Entry, ...]

    @property
    def series(self) -> list[str]:
        """Return the names of series in their order."""
        return list(dict.fromkeys(entry.series for entry in self.entries if entry.series))

    @property
    def names(self) -> list[str]:
        """Return the names of values in their order."""
        return list(dict.fromkeys(entry.name for entry in self.entries))


def read_data(text: str) -> Data:
    """Return the data of a text; lines that are no pairs are left out, and the first of them is the title."""
    rows = [line.strip().split(_CELLS) for line in text.splitlines() if _CELLS in line]
    if len(rows) > 1:
        return _read_table(text.strip().partition("\n")[0], rows)
    title, pairs = "", list[tuple[str, str]]()
    for line in map(str.strip, text.splitlines()):
        found = _LINE.match(line)
        if found:
            pairs.append((found["head"], found["value"].strip()))
        elif not title and not pairs:
            title = line
    joint = _joint([head for head, _ in pairs])
    entries: list[Entry] = []
    for head, value in pairs:
        series, _, name = head.partition(joint) if joint else ("", "", head)
        entries.append(Entry(series, name, value, joint))
    return Data(title, tuple(entries))


def _read_table(first_line: str, rows: Sequence[Sequence[str]]) -> Data:
    """Return the cells of rows by column and by the first cell of their row; a header may have two rows."""
    header, *body = rows
    columns = list(header)
    if body[0][0] == header[0]:  # a second row of the header, under cells that span several columns
        columns = [f"{below}, {above}" for below, above in zip(body[0], header, strict=False)]
        body = body[1:]
    entries = [
        Entry(column, row[0], said.strip(), ", ")
        for row in body for column, said in zip(columns[1:], row[1:], strict=False) if said.strip()
    ]  # fmt: skip
    return Data("" if _CELLS in first_line else first_line, tuple(entries))


def mentioned(question: str, names: Sequence[str]) -> list[str]:
    """Return the names that a question holds, in its order; of one within another only the longer."""
    taken: list[tuple[int, int, str]] = []
    for name in sorted((name for name in set(names) if name), key=len, reverse=True):
        for found in re.finditer(rf"(?<![A-Za-z\d.]){re.escape(name)}(?![A-Za-z\d])", question, re.IGNORECASE):
            if all(found.end() <= start or found.start() >= end for start, end, _ in taken):
                taken.append((found.start(), found.end(), name))
                break
    return [name for _, _, name in sorted(taken)]


def _joint(heads: Sequence[str]) -> str:
    """Return what stands between series and name in all heads; empty where they are names alone."""
    for joint in _JOINTS:
        series = {head.partition(joint)[0] for head in heads if joint in head}
        if heads and len(series) < len(heads) and all(joint in head for head in heads):
            return joint
    return ""
