"""Chart reading: what a reader sees of a chart: what is clear, which names are written, in which words it is asked."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from vl2.core.settings import load_yaml
from vl2.corpus.drawing.chart.data import Chart
from vl2.corpus.drawing.chart.draw import Drawn

CLEAR = 0.04  # of the axis: by how much values differ that are not printed
_WORDING = Path(__file__).with_name("wording.yaml")


@dataclass(frozen=True)
class Turn:
    """A question with its answer, and other answers that are as right."""

    key: str
    question: str
    answer: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Read:
    """A chart with its picture, while questions about it are made."""

    chart: Chart
    drawn: Drawn
    dice: random.Random

    def say(self, key: str, answer: str, also: tuple[str, ...] = (), **words: str) -> Turn:
        """Return a turn in the chart's language."""
        chart = self.chart
        said = {name: self._within(word) for name, word in words.items()}
        names = {"m": self.measure, "x": _bare(chart.x_name, chart.language), "n": self.marks, **said}
        return Turn(key, self.dice.choice(wording()[key][chart.language]).format(**names), answer, also)

    def _within(self, name: str) -> str:
        """Return a name as it stands within a sentence: Chinese years say that they are years."""
        is_year = self.chart.language == "zh" and self.chart.is_time and name in self.chart.names and name.isdecimal()
        return f"{name}年" if is_year else name

    def number(self, key: str, value: Decimal | float, **words: str) -> Turn:
        """Return a turn whose answer is a number, as it is printed or without signs."""
        sign = "%" if self.chart.kind == "pie" and key != "difference" else ""
        told = self.chart.say(value) + sign
        plain = told.replace(",", "")
        return self.say(
            key, told, tuple(dict.fromkeys(one for one in (plain, plain.rstrip("%")) if one != told)), **words
        )

    def fixed(self, key: str) -> str:
        """Return an answer that is one of a few words."""
        return wording()["answers"][self.chart.language][key]

    @property
    def measure(self) -> str:
        """Return what is measured, as it stands within a sentence."""
        return _bare(self.chart.y_name, self.chart.language)

    @property
    def marks(self) -> str:
        """Return what stands for values."""
        return wording()["marks"][self.chart.language][self.chart.kind]

    @property
    def values(self) -> tuple[float, ...]:
        """Return the values of the first series."""
        return self.chart.series[0].values

    @property
    def is_single(self) -> bool:
        """Tell whether names have one value each."""
        return len(self.chart.series) == 1 and self.chart.kind != "scatter"

    def is_clear(self, one: float, other: float) -> bool:
        """Tell whether a reader sees that a value is higher than another."""
        if self.drawn.printed:
            return one != other
        return abs(one - other) >= CLEAR * (self.drawn.high - self.drawn.low)

    def pair(self) -> tuple[int, int] | None:
        """Return two named places whose first value is clearly the higher."""
        if not self.is_single or len(self.drawn.places) < 2:
            return None
        one, other = self.dice.sample(self.drawn.places, 2)
        if self.values[one] < self.values[other]:
            one, other = other, one
        return (one, other) if self.is_clear(self.values[one], self.values[other]) else None


def ranked(read: Read, values: tuple[float, ...], rank: int, *, highest: bool = True) -> int | None:
    """Return the place of a rank, None where it is not clear, or has no name."""
    order = sorted(range(len(values)), key=lambda place: -values[place] if highest else values[place])
    if len(order) < rank + 2:
        return None
    near = [order[rank - 1], order[rank + 1]] if rank else [order[1]]
    here = order[rank]
    if here not in read.drawn.places or not all(read.is_clear(values[here], values[other]) for other in near):
        return None
    return here


@cache
def wording() -> dict[str, Any]:
    """Return how questions, answers and kinds of charts are put."""
    return load_yaml(_WORDING)


def _bare(name: str, language: str) -> str:
    """Return the name of an axis without its unit, as it stands within a sentence."""
    bare = name.partition("（" if language == "zh" else " (")[0]
    return bare if language == "zh" or bare[:2].isupper() else bare[:1].lower() + bare[1:]
