"""Chart data: what a chart shows, before it is known how it looks. Values are rounded: what is drawn can be printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

from vl2.core.sample import Sample
from vl2.core.settings import build
from vl2.data.faults import RowError

Language = Literal["en", "zh"]
ChartKind = Literal["bars", "horizontal", "grouped", "stacked", "lines", "area", "scatter", "pie", "histogram"]
MOST_SERIES, MOST_NAMES, MOST_POINTS = 8, 160, 400
FIELD = "chart"  # of provenance
REST = {"en": "Other", "zh": "其他"}  # what a slice is called that stands for all others


@dataclass(frozen=True, kw_only=True)
class Series:
    """The values of one colour, as many as the chart has names; of a scatter chart the points [xs, values]."""

    name: str
    values: tuple[float, ...]
    xs: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: a title, names along its axis, and series of values with `digits` after the point."""

    kind: ChartKind
    language: Language
    title: str
    x_name: str
    y_name: str
    names: tuple[str, ...]
    series: tuple[Series, ...]
    digits: int
    x_digits: int = 0
    is_time: bool = False  # names are moments in their order

    def __post_init__(self) -> None:
        if not 1 <= len(self.series) <= MOST_SERIES or len(self.names) > MOST_NAMES or not 0 <= self.digits <= 4:
            raise ValueError("not as many series, names or digits as a chart may have")
        for one in self.series:
            expected = one.xs if self.kind == "scatter" else self.names
            if len(one.values) != len(expected) or not 1 <= len(one.values) <= MOST_POINTS:
                raise ValueError("a series has not as many values as its chart has names")
            if not all(abs(value) < 1e15 for value in (*one.values, *one.xs)):
                raise ValueError("a value is not a finite number")

    def say(self, value: float | Decimal) -> str:
        """Return a value as the chart prints it."""
        return f"{value:,.{self.digits}f}"

    def exact(self, series: int, place: int) -> Decimal:
        """Return a value as the decimal number that is printed."""
        return Decimal(f"{self.series[series].values[place]:.{self.digits}f}")

    def lines(self) -> list[str]:
        """Return the chart as text: its title, and a line for each value."""
        return [self.title, *self._values()]

    def _values(self) -> Iterator[str]:
        colon = "：" if self.language == "zh" else ": "
        for one in self.series:
            head = f"{one.name}{'，' if self.language == 'zh' else ', '}" if len(self.series) > 1 else ""
            if self.kind == "scatter":
                yield from (
                    f"{head}{x:,.{self.x_digits}f}{colon}{self.say(y)}" for x, y in zip(one.xs, one.values, strict=True)
                )
            else:
                yield from (
                    f"{head}{name}{colon}{self.say(value)}" for name, value in zip(self.names, one.values, strict=True)
                )


def chart_to_dict(chart: Chart) -> dict[str, Any]:
    """Return a JSON-ready mapping."""
    return asdict(chart)


def chart_of(sample: Sample) -> Chart:
    """Return the chart that a row tells of. Raises RowError without one, ConfigError on one that cannot be."""
    told = sample.provenance.get(FIELD)
    if not isinstance(told, dict):
        raise RowError("a row that tells of no chart")
    series = told.get("series")
    if not isinstance(series, list | tuple) or not all(isinstance(one, dict) for one in series):
        raise RowError("a chart without series")
    return build(Chart, {**told, "series": [build(Series, one, thing="series") for one in series]}, thing="chart")
