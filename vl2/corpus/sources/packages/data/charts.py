"""Data charts: charts that tables can be shown as, each drawn by lot: which columns, which rows, how put together."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import pairwise

from vl2.corpus.drawing.chart.data import REST, Chart, ChartKind, Series
from vl2.corpus.sources.packages.data.columns import Column, DataTable, Language
from vl2.corpus.sources.packages.data.dots import plan_histogram, plan_scatter
from vl2.corpus.sources.packages.data.groups import (
    COMBINED,
    NOT_THINGS,
    Chosen,
    distinct,
    gather,
    pick_combine,
    pick_measure,
    pick_rows,
    say_cell,
)
from vl2.corpus.sources.packages.data.numbers import digits_for, pick_scale, rounded
from vl2.corpus.sources.packages.data.picks import MOST_MOMENTS, Key, full_grid, pick_names
from vl2.corpus.sources.packages.data.titles import capital, say_axis, say_measure, say_title, with_unit

MOST_SLICES, LEAST_SLICE = 6, 3.0  # per cent: a thinner one has no room for its number
LONGEST_TITLE = 90
MOST_GROUPED, MOST_STACKED = 24, 12  # bars
UNEVEN = 1.25  # what moments take, over what they would take at their least distance


def make_chart(table: DataTable, language: Language, dice: random.Random) -> Chart | None:
    """Return a chart of a table, None where what fell shows nothing: too few groups, no words in the language."""
    chart = dice.choices(list(_PLANS), list(_PLANS.values()))[0](table, language, dice)
    return chart if chart is not None and _shows_something(chart) else None


def _shows_something(chart: Chart) -> bool:
    """Tell whether values differ, and no colour is of zeros alone."""
    values = {value for one in chart.series for value in one.values}
    return len(values) > 1 and all(any(one.values) for one in chart.series)


def _plan_bars(table: DataTable, language: Language, dice: random.Random) -> Chart | None:
    key = dice.choice(table.kind.of_kind("group", "month") or [""])
    if not key:
        return None
    measure, chosen = pick_measure(table, dice), pick_rows(table, dice, [key])
    groups = gather(table, chosen.rows, [key], measure)
    combine = pick_combine(table, dice, groups, measure) if len(groups) >= 3 else None
    if combine is None:
        return None
    values = {name: COMBINED[combine](numbers) for (name,), numbers in groups.items()}
    names, top = pick_names(table, dice, key, values, is_ranked=combine in ("sum", "count"), language=language)
    said = say_measure(table, measure, combine, language)
    title = say_title(table, language, said, [key], chosen, top)
    shown = [say_cell(table, key, name, language) for name in names]
    if title is None or None in shown or len(names) < 3:
        return None
    scale = pick_scale(max(map(abs, values.values())))
    numbers = [values[name] / scale for name in names]
    digits = digits_for(numbers)
    return Chart(
        kind=dice.choice(("bars", "horizontal")), language=language, title=title,
        x_name=capital(table.kind.columns[key].say(language)),
        y_name=say_axis(table, measure, combine, language, scale),
        names=tuple(map(str, shown)), series=(Series(name=said, values=rounded(numbers, digits)),), digits=digits,
        is_time=table.kind.columns[key].kind == "month",
    )  # fmt: skip


def _are_even(moments: list[int]) -> bool:
    """Tell whether moments are about as far from each other as they are drawn."""
    steps = [later - earlier for earlier, later in pairwise(moments)]
    return sum(steps) <= UNEVEN * len(steps) * min(steps)


def _inside(said: str) -> str:
    """Return a phrase as it stands within a sentence."""
    return said if said[:2].isupper() else said[:1].lower() + said[1:]


def _is_alike(one: Column, other: Column) -> bool:
    """Tell whether numbers of two columns may share an axis."""
    return one is other or ((one.unit, one.add) == (other.unit, other.add) and bool(one.unit or one.add))


def _plan_pie(table: DataTable, language: Language, dice: random.Random) -> Chart | None:
    key = dice.choice(table.kind.of_kind("group") or [""])
    added = [name for name in table.kind.of_kind("number") if table.kind.columns[name].add]
    counts = table.kind.one not in NOT_THINGS
    measures: list[str | None] = [*added, *([None] if counts else [])]
    if not key or not measures:
        return None
    measure = dice.choice(measures)
    chosen = pick_rows(table, dice, [key])
    sums = {name: sum(numbers) for (name,), numbers in gather(table, chosen.rows, [key], measure).items()}
    total = sum(sums.values())
    ranked = sorted(sums, key=lambda name: -sums[name])
    kept = [name for name in ranked[: MOST_SLICES - 1] if total and sums[name] / total * 100 >= LEAST_SLICE]
    shown = [say_cell(table, key, name, language) for name in kept]
    if len(kept) < 2 or None in shown or min(sums.values()) < 0:
        return None
    shares = [sums[name] / total * 100 for name in kept]
    rest = 100 - sum(shares)
    if rest > 0.05:
        shown, shares = [*shown, REST[language]], [*shares, rest]
    if min(shares) < LEAST_SLICE or len(shares) < 3:
        return None
    subject = (
        table.kind.columns[measure].say(language) if measure else (table.kind.zh if language == "zh" else table.kind.en)
    )
    said = f"{subject}占比" if language == "zh" else f"Share of {subject}"
    title = say_title(table, language, said, [key], chosen)
    digits = dice.choice((0, 1))
    return None if title is None else Chart(
        kind="pie", language=language, title=title, x_name=capital(table.kind.columns[key].say(language)),
        y_name=with_unit(said, "%", language), names=tuple(map(str, shown)),
        series=(Series(name=said, values=rounded(shares, digits)),), digits=digits,
    )  # fmt: skip


def _plan_series(table: DataTable, language: Language, dice: random.Random) -> Chart | None:
    """Plan values by two columns, the second told by colours."""
    colours = table.kind.of_kind("group")
    if not colours:
        return None
    colour = dice.choice(colours)
    key = dice.choice([name for name in table.kind.of_kind("group", "year", "year", "month") if name != colour] or [""])
    if not key:
        return None
    measure, chosen = pick_measure(table, dice), pick_rows(table, dice, [key, colour])
    groups = gather(table, chosen.rows, [key, colour], measure)
    names, tones = full_grid(table, dice, groups, key, colour, language)
    groups = {(name, tone): groups[name, tone] for name in names for tone in tones}
    combine = pick_combine(table, dice, groups, measure) if groups else None
    if combine is None:
        return None
    return _chart_of_groups(table, language, dice, (key, colour), measure, combine, chosen, groups)


def _chart_of_groups(table: DataTable, language: Language, dice: random.Random, keys: tuple[str, str],
                     measure: str | None, combine: str, chosen: Chosen,
                     groups: Mapping[Key, list[float]]) -> Chart | None:  # fmt: skip
    said = say_measure(table, measure, combine, language)
    title = say_title(table, language, said, keys, chosen)
    values = {pair: COMBINED[combine](numbers) for pair, numbers in groups.items()}
    scale = pick_scale(max(map(abs, values.values())))
    names, tones = distinct(pair[0] for pair in values), distinct(pair[1] for pair in values)
    digits = digits_for([value / scale for value in values.values()])
    is_time = table.kind.columns[keys[0]].kind != "group"
    adds = combine in ("sum", "count") and min(values.values()) >= 0
    is_even = is_time and _are_even([int(name or 0) for name in names])
    kinds: list[ChartKind] = ["lines", "lines"] if is_even else []
    if len(names) * len(tones) <= MOST_GROUPED:
        kinds.append("grouped")
    if adds and len(names) <= MOST_STACKED:
        kinds.append("stacked")
    if adds and is_even:
        kinds.append("area")
    if title is None or not kinds:
        return None
    return Chart(
        kind=dice.choice(kinds), language=language, title=title,
        x_name=capital(table.kind.columns[keys[0]].say(language)),
        y_name=say_axis(table, measure, combine, language, scale), digits=digits, is_time=is_time,
        names=tuple(str(say_cell(table, keys[0], name, language)) for name in names),
        series=tuple(
            Series(name=str(say_cell(table, keys[1], tone, language)),
                   values=rounded([values[name, tone] / scale for name in names], digits))
            for tone in tones
        ),
    )  # fmt: skip


def _plan_measures(table: DataTable, language: Language, dice: random.Random) -> Chart | None:
    """Plan one or several measures of one unit along time."""
    key = dice.choice(table.kind.of_kind("year", "month") or [""])
    numbers = table.kind.of_kind("number")
    if not key or not numbers:
        return None
    first = table.kind.columns[dice.choice(numbers)]
    alike = [name for name in numbers if _is_alike(first, table.kind.columns[name])]
    measures = dice.sample(alike, min(len(alike), dice.randint(1, 3)))
    chosen = pick_rows(table, dice, [key])
    groups = [gather(table, chosen.rows, [key], measure) for measure in measures]
    column = table.kind.columns[key]
    moments = sorted(set.intersection(*map(set, groups)), key=lambda moment: column.place(moment[0]))
    long = dice.randint(6, MOST_MOMENTS)
    start = dice.randint(0, max(0, len(moments) - long))
    moments = moments[start : start + long]
    groups = [{moment: found[moment] for moment in moments} for found in groups]
    combine = pick_combine(table, dice, groups[0], measures[0]) if len(moments) >= 4 else None
    if combine is None or (combine == "single") != all(
        len(numbers) == 1 for found in groups for numbers in found.values()
    ):
        return None
    values = [[COMBINED[combine](found[moment]) for moment in moments] for found in groups]
    scale = pick_scale(max(abs(value) for line in values for value in line))
    digits = digits_for([value / scale for line in values for value in line])
    said = [say_measure(table, measure, combine, language) for measure in measures]
    joined = ("与" if language == "zh" else " and ").join([said[0], *map(_inside, said[1:])])
    title = say_title(table, language, joined, [key], chosen)
    unit = table.kind.columns[measures[0]].say_unit(language)
    if title is None or len(title) > LONGEST_TITLE or not _are_even([int(moment[0] or 0) for moment in moments]):
        return None
    value_name = said[0] if len(said) == 1 else ("数值" if language == "zh" else "Value")
    kinds: tuple[ChartKind, ...] = ("lines", "lines", "area" if len(said) == 1 else "lines",
                                    "bars" if len(said) == 1 and len(moments) <= 14 else "lines")  # fmt: skip
    return Chart(
        kind=dice.choice(kinds), language=language, title=title, x_name=capital(table.kind.columns[key].say(language)),
        y_name=with_unit(value_name, unit, language, scale), digits=digits, is_time=True,
        names=tuple(str(say_cell(table, key, moment[0], language)) for moment in moments),
        series=tuple(
            Series(name=name, values=rounded([value / scale for value in line], digits))
            for name, line in zip(said, values, strict=True)
        ),
    )  # fmt: skip


_PLANS: dict[Callable[[DataTable, Language, random.Random], Chart | None], float] = {
    _plan_bars: 3.0,
    _plan_pie: 1.3,
    _plan_series: 3.5,
    _plan_measures: 2.0,
    plan_scatter: 1.2,
    plan_histogram: 1.2,
}
