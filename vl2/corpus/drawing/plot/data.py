"""Plot data: the values of a chart as Python that a person would type, and what its variables are called."""

from __future__ import annotations

import json
import random
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from vl2.corpus.drawing.chart.data import Chart

LINE = 96  # characters of a line of code
_WIDE, _FIRST_WIDE = 1.7, 0x2E80  # Latin letters that a Chinese sign is as wide as
_GLUE = "\x00"  # a space within an item of a list
LEAST_YEARS = 8  # fewer stand along the axis as names: numbers would get ticks between them


@dataclass(frozen=True)
class Names:
    """What the variables of a script are called."""

    names: str
    values: str
    series: str
    one: str  # of the series


def pick_names(chart: Chart, dice: random.Random) -> Names:
    """Return variables that fit what the chart tells along its axis."""
    if is_years(chart):
        names = dice.choice(("years", "years", "year", "x"))
    elif chart.kind == "histogram":
        names = dice.choice(("bins", "labels", "ranges"))
    else:
        names = dice.choice(
            ("labels", "names", "categories", "x_labels") if not chart.is_time else ("months", "labels")
        )
    return Names(
        names, dice.choice(("values", "values", "y", "counts" if chart.digits == 0 else "values")),
        dice.choice(("data", "data", "series", "groups")), dice.choice(("name", "label", "key")),
    )  # fmt: skip


def is_years(chart: Chart) -> bool:
    """Tell whether the names are enough years to be numbers along an axis."""
    return (
        chart.is_time
        and len(chart.names) >= LEAST_YEARS
        and all(len(one) == 4 and one.isdigit() for one in chart.names)
    )


def quoted(said: str) -> str:
    """Return a text as Python; two dollars would begin a formula."""
    return json.dumps(said.replace("$", r"\$") if said.count("$") > 1 else said, ensure_ascii=False)


def titled(said: str, most: float) -> str:
    """Return a title as Python, broken where it would be wider than its plot: `most` in Latin letters."""
    if width_of(said) <= most:
        return quoted(said)
    if " " in said:
        return quoted("\n".join(textwrap.wrap(said, int(max(most * 0.9, len(said) / 2 + 8)))))
    middle = len(said) // 2
    cut = next((place for near in range(middle) for place in (middle - near, middle + near)
                if said[place - 1] in "：，的）、"), middle)  # fmt: skip
    return quoted(f"{said[:cut]}\n{said[cut:]}")


def width_of(said: str) -> float:
    """Return how wide a text is, in Latin letters."""
    return sum(_WIDE if ord(sign) > _FIRST_WIDE else 1.0 for sign in said)


def names_of(chart: Chart) -> list[str]:
    """Return the names along the axis as items of a list: years as numbers where they are many."""
    return [*chart.names] if is_years(chart) else [quoted(name) for name in chart.names]


def numbers_of(values: Sequence[float], digits: int) -> list[str]:
    """Return numbers as items of a list."""
    return [f"{value:.{digits}f}" for value in values]


def listed(head: str, items: Sequence[str], tail: str = "", indent: int = 0) -> list[str]:
    """Return a list between a head and a tail, in as many lines as it takes."""
    joined = f"{' ' * indent}{head}[{', '.join(items)}]{tail}"
    if len(joined) <= LINE:
        return [joined]
    inner = " " * (indent + 4)
    glued = " ".join(f"{item},".replace(" ", _GLUE) for item in items)
    wrapped = textwrap.wrap(glued, LINE - len(inner), break_long_words=False, break_on_hyphens=False)
    return [f"{' ' * indent}{head}[", *(inner + line.replace(_GLUE, " ") for line in wrapped), f"{' ' * indent}]{tail}"]


def single(chart: Chart, names: Names) -> list[str]:
    """Return the names and values of a chart of one series."""
    values = numbers_of(chart.series[0].values, chart.digits)
    return [*listed(f"{names.names} = ", names_of(chart)), *listed(f"{names.values} = ", values)]


def keyed(chart: Chart, names: Names, *, has_axis: bool = True) -> list[str]:
    """Return the names along the axis, and a dict of the series."""
    lines = listed(f"{names.names} = ", names_of(chart)) if has_axis else []
    inner = [
        line
        for one in chart.series
        for line in listed(f"{quoted(one.name)}: ", numbers_of(one.values, chart.digits), ",", 4)
    ]
    return [*lines, f"{names.series} = {{", *inner, "}"]


def points(chart: Chart, names: Names) -> list[str]:
    """Return the points of a scatter chart: two lists, or a dict of two lists each."""
    if len(chart.series) == 1:
        one = chart.series[0]
        return [
            *listed("x = ", numbers_of(one.xs, chart.x_digits)),
            *listed("y = ", numbers_of(one.values, chart.digits)),
        ]
    lines = [f"{names.series} = {{"]
    for one in chart.series:
        xs, ys = numbers_of(one.xs, chart.x_digits), numbers_of(one.values, chart.digits)
        lines += [f"    {quoted(one.name)}: (", *listed("", xs, ",", 8), *listed("", ys, ",", 8), "    ),"]
    return [*lines, "}"]
