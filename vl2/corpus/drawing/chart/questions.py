"""Chart questions: what a reader can answer from a picture alone, with the answer that is exactly right.

Numbers are asked for where they are printed or lie on a tick; what is higher only where it shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

from vl2.corpus.drawing.chart.data import REST, Chart
from vl2.corpus.drawing.chart.dots import ask_dots_above, ask_half, ask_highest_dot, ask_relation
from vl2.corpus.drawing.chart.draw import Drawn
from vl2.corpus.drawing.chart.reading import Read, Turn, ranked, wording

CHANGED = 0.15  # of the axis: what has risen or fallen
_STACKS = ("stacked", "area")
_MARKED = ("bars", "horizontal", "histogram", "pie")  # with a mark for each value
_SIMPLE, MOST_SIMPLE = ("title", "kind", "value_axis", "name_axis", "count", "legend_count"), 2


def ask(chart: Chart, drawn: Drawn, dice: random.Random, wanted: int) -> list[Turn]:
    """Return up to so many questions about a chart; the few that only its words answer come last."""
    read = Read(chart, drawn, dice)
    found = [turn for make in dice.sample(_QUESTIONS, len(_QUESTIONS)) if (turn := make(read)) is not None]
    others = [turn for turn in found if turn.key not in _SIMPLE][: wanted - 1]
    simple = [turn for turn in found if turn.key in _SIMPLE]
    return [*others, *simple[: min(MOST_SIMPLE, wanted - len(others))]]


def _value(read: Read) -> Turn | None:
    if not read.drawn.printed or not read.drawn.places:
        return None
    place = read.dice.choice(read.drawn.places)
    series = read.dice.randrange(len(read.chart.series))
    value, name = read.chart.exact(series, place), read.chart.names[place]
    if read.is_single:
        return read.number("value", value, a=name)
    return read.number("series_value", value, a=name, s=read.chart.series[series].name)


def _grid_value(read: Read) -> Turn | None:
    if read.drawn.printed or not read.is_single or read.chart.kind == "pie":
        return None
    ticks = {round(tick, read.chart.digits): tick for tick in read.drawn.ticks}
    ticks = {told: tick for told, tick in ticks.items() if told == tick}
    on = [place for place in read.drawn.places if read.values[place] in ticks]
    if not on:
        return None
    place = read.dice.choice(on)
    told = f"{ticks[read.values[place]] + 0.0:,.10g}"
    also = dict.fromkeys((told.replace(",", ""), read.chart.say(read.values[place])))
    return read.say("grid_value", told, tuple(one for one in also if one != told), a=read.chart.names[place])


def _place(read: Read, rank: int, *, highest: bool = True) -> int | None:
    """Return the place of a rank among names that stand for themselves and have no order in time."""
    if not read.is_single or read.chart.is_time or any(name in REST.values() for name in read.chart.names):
        return None
    return ranked(read, read.values, rank, highest=highest)


def _largest(read: Read) -> Turn | None:
    place = _place(read, 0)
    return None if place is None else read.say("largest", read.chart.names[place])


def _smallest(read: Read) -> Turn | None:
    place = _place(read, 0, highest=False)
    return None if place is None else read.say("smallest", read.chart.names[place])


def _second(read: Read) -> Turn | None:
    place = _place(read, 1)
    return None if place is None else read.say("second", read.chart.names[place])


def _series_largest(read: Read) -> Turn | None:
    chart = read.chart
    if read.is_single or chart.kind in ("scatter", *_STACKS) or not read.drawn.places:
        return None
    place = read.dice.choice(read.drawn.places)
    ranked = sorted(chart.series, key=lambda one: -one.values[place])
    if not read.is_clear(ranked[0].values[place], ranked[1].values[place]):
        return None
    return read.say("series_largest", ranked[0].name, a=chart.names[place])


def _series_compare(read: Read) -> Turn | None:
    chart = read.chart
    if read.is_single or chart.kind in ("scatter", *_STACKS) or not read.drawn.places:
        return None
    place = read.dice.choice(read.drawn.places)
    one, other = read.dice.sample(chart.series, 2)
    if not read.is_clear(one.values[place], other.values[place]):
        return None
    higher = one if one.values[place] > other.values[place] else other
    return read.say("series_compare", higher.name, a=chart.names[place], s=one.name, b=other.name)


def _within_series(read: Read) -> Turn | None:
    if read.is_single or read.chart.kind in ("scatter", *_STACKS):
        return None
    one = read.dice.choice(read.chart.series)
    place = ranked(read, one.values, 0)
    return None if place is None else read.say("within_series", read.chart.names[place], s=one.name)


def _count(read: Read) -> Turn | None:
    chart = read.chart
    if chart.kind == "lines":
        return read.say("count", str(len(chart.series))) if len(chart.series) > 1 else None
    if chart.kind not in _MARKED or (chart.kind != "pie" and min(map(abs, read.values)) == 0):
        return None
    return read.say("count", str(len(chart.names)))


def _legend_count(read: Read) -> Turn | None:
    return read.say("legend_count", str(len(read.chart.series))) if read.drawn.has_legend else None


def _difference(read: Read) -> Turn | None:
    pair = read.pair() if read.drawn.printed else None
    if pair is None:
        return None
    one, other = pair
    value = read.chart.exact(0, one) - read.chart.exact(0, other)
    return read.number("difference", value, a=read.chart.names[one], b=read.chart.names[other])


def _sum(read: Read) -> Turn | None:
    pair = read.pair() if read.drawn.printed else None
    if pair is None:
        return None
    value = sum((read.chart.exact(0, place) for place in pair), Decimal(0))
    return read.number("sum", value, a=read.chart.names[pair[0]], b=read.chart.names[pair[1]])


def _total(read: Read) -> Turn | None:
    if not read.drawn.printed or not read.is_single or len(read.values) > 6 or read.chart.kind == "pie":
        return None
    return read.number("total", sum((read.chart.exact(0, place) for place in range(len(read.values))), Decimal(0)))


def _compare(read: Read) -> Turn | None:
    pair = read.pair()
    if pair is None:
        return None
    one, other = read.dice.sample([read.chart.names[place] for place in pair], 2)
    return read.say("compare", read.chart.names[pair[0]], a=one, b=other)


def _is_higher(read: Read) -> Turn | None:
    pair = read.pair()
    if pair is None:
        return None
    one, other = read.dice.sample(pair, 2)
    answer = read.fixed("yes" if one == pair[0] else "no")
    return read.say("is_higher", answer, a=read.chart.names[one], b=read.chart.names[other])


def _coloured(read: Read) -> list[tuple[str, str]]:
    """Return what has a colour of its own, and the colour."""
    chart, colours = read.chart, read.drawn.colours
    names = [one.name for one in chart.series] if read.drawn.has_legend else list(chart.names)
    is_told = read.drawn.has_legend or chart.kind == "pie" or len(colours) == len(names) > 1
    return list(zip(names, colours, strict=True)) if is_told and len(set(colours)) == len(names) else []


def _colour(read: Read) -> Turn | None:
    told = _coloured(read)
    if not told:
        return None
    name, colour = read.dice.choice(told)
    return read.say("colour", colour, s=name)


def _by_colour(read: Read) -> Turn | None:
    told = _coloured(read)
    if not told:
        return None
    name, colour = read.dice.choice(told)
    return read.say("by_colour", name, c=colour)


def _title(read: Read) -> Turn:
    return read.say("title", read.chart.title)


def _kind(read: Read) -> Turn:
    return read.say("kind", wording()["kinds"][read.chart.language][read.chart.kind])


def _value_axis(read: Read) -> Turn | None:
    return None if read.chart.kind in ("pie", "scatter") else read.say("value_axis", read.chart.y_name)


def _name_axis(read: Read) -> Turn | None:
    return None if read.chart.kind in ("pie", "horizontal") else read.say("name_axis", read.chart.x_name)


def _above(read: Read) -> Turn | None:
    if read.chart.kind not in ("bars", "horizontal", "histogram"):
        return None
    ticks = [
        tick for tick in read.drawn.ticks[1:-1] if tick > 0 and all(read.is_clear(tick, value) for value in read.values)
    ]
    if not ticks:
        return None
    tick = read.dice.choice(ticks)
    count = sum(value > tick for value in read.values)
    return read.say("above", str(count), t=f"{tick:,.10g}") if 0 < count < len(read.values) else None


def _trend(read: Read) -> Turn | None:
    chart, places = read.chart, read.drawn.places
    if not chart.is_time or chart.kind not in ("lines", "area") or (chart.kind == "area" and not read.is_single):
        return None
    one = read.dice.choice(chart.series)
    if len(places) < 2 or abs(change := one.values[places[-1]] - one.values[places[0]]) < CHANGED * (
        read.drawn.high - read.drawn.low
    ):
        return None
    answer = read.fixed("risen" if change > 0 else "fallen")
    return read.say(
        "trend", answer, a=chart.names[places[0]], b=chart.names[places[-1]], s=_series_name(read, one.name)
    )


def _peak(read: Read) -> Turn | None:
    return _extreme(read, "peak", highest=True)


def _low(read: Read) -> Turn | None:
    return _extreme(read, "low", highest=False)


def _extreme(read: Read, key: str, *, highest: bool) -> Turn | None:
    chart = read.chart
    if not chart.is_time or (chart.kind in _STACKS and not read.is_single):
        return None
    one = read.dice.choice(chart.series)
    place = ranked(read, one.values, 0, highest=highest)
    return None if place is None else read.say(key, chart.names[place], s=_series_name(read, one.name))


def _series_name(read: Read, name: str) -> str:
    return read.measure if read.is_single else name


_QUESTIONS: tuple[Callable[[Read], Turn | None], ...] = (
    _value, _value, _grid_value, _largest, _smallest, _second, _series_largest, _series_compare, _within_series,
    _count, _legend_count, _difference, _sum, _total, _compare, _is_higher, _colour, _by_colour, _title, _value_axis,
    _name_axis, _above, _trend, _peak, _low, ask_half, ask_relation, ask_dots_above, ask_highest_dot, _kind,
)  # fmt: skip
