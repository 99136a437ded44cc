"""Asked: a question with the data that it is about, and how the solution of one is put together."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from vl2.corpus.teacher.composers.entries import Data, Entry

Language = Literal["en", "zh"]
MOST_LISTED = 8  # values that an explanation enumerates


@dataclass(frozen=True)
class Solution:
    """The steps that lead to an answer, a sentence each, and the answer."""

    steps: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Asked:
    """A question with the data that it is about, and what it names of them in its order."""

    question: str
    language: Language
    data: Data
    names: tuple[str, ...]
    series: tuple[str, ...]
    dice: random.Random

    @property
    def name(self) -> str:
        """Return the first name of a value that the question holds; empty without one."""
        return self.names[0] if self.names else ""

    @property
    def one_series(self) -> str:
        """Return the first series that the question holds; empty without one."""
        return self.series[0] if self.series else ""

    def say(self, en: Sequence[str], zh: Sequence[str], **words: object) -> str:
        """Return one of some wordings in the question's language."""
        return self.dice.choice(zh if self.language == "zh" else en).format(**words)

    def of(self, name: str = "", series: str = "") -> list[Entry]:
        """Return the entries with a number, of one name and one series where they are told."""
        return [entry for entry in self.data.entries if entry.number is not None
                and name in ("", entry.name) and series in ("", entry.series)]  # fmt: skip


def listing(asked: Asked, entries: Sequence[Entry], order: Sequence[Entry] = ()) -> str:
    """Return values with their names: all in their order, or the first of a ranking where there are too many."""
    shown = entries if len(entries) <= MOST_LISTED or not order else order[:3]
    joint, colon = ("；", "：") if asked.language == "zh" else ("; ", ": ")
    pairs = joint.join(f"{entry.label}{colon}{entry.said}" for entry in shown)
    if len(shown) == len(entries):
        return asked.say(
            ("The values are {pairs}.", "One reads {pairs}."), ("数值分别是{pairs}。", "读出{pairs}。"), pairs=pairs
        )
    return asked.say(("In their order, the first ones are {pairs}.",), ("排在前面的是{pairs}。",), pairs=pairs)


def number_of(entry: Entry) -> Decimal:
    """Return the value of an entry that has one."""
    return entry.number or Decimal(0)
