"""Chart dots: questions about slices and dots, which have no place along an axis of names."""

from __future__ import annotations

from statistics import correlation

from vl2.corpus.drawing.chart.reading import CLEAR, Read, Turn

MOST_COUNTED = 8  # dots
RELATED = 0.75  # correlation that dots show


def ask_half(read: Read) -> Turn | None:
    """Ask whether two slices make up more than half."""
    if read.chart.kind != "pie" or len(read.values) < 3:
        return None
    one, other = read.dice.sample(range(len(read.values)), 2)
    share = read.values[one] + read.values[other]
    if abs(share - 50) < 1:
        return None
    return read.say(
        "half", read.fixed("yes" if share > 50 else "no"), a=read.chart.names[one], b=read.chart.names[other]
    )


def ask_relation(read: Read) -> Turn | None:
    """Ask whether dots rise or fall, where that shows."""
    if read.chart.kind != "scatter":
        return None
    xs = [x for one in read.chart.series for x in one.xs]
    ys = [y for one in read.chart.series for y in one.values]
    return None if len(set(xs)) < 5 or len(set(ys)) < 5 else _related(read, correlation(xs, ys))


def _related(read: Read, found: float) -> Turn | None:
    return None if abs(found) < RELATED else read.say("relation", read.fixed("positive" if found > 0 else "negative"))


def ask_dots_above(read: Read) -> Turn | None:
    """Ask how many dots lie above a tick, where they can be counted."""
    if read.chart.kind != "scatter":
        return None
    ys = [y for one in read.chart.series for y in one.values]
    ticks = [tick for tick in read.drawn.ticks[1:-1] if all(read.is_clear(tick, y) for y in ys)]
    dots = {(x, y) for one in read.chart.series for x, y in zip(one.xs, one.values, strict=True)}
    for tick in reversed(ticks):
        high = sorted(dot for dot in dots if dot[1] > tick)
        if 0 < len(high) <= MOST_COUNTED and len(high) == sum(y > tick for y in ys) and _are_apart(read, high):
            return read.say("dots_above", str(len(high)), t=f"{tick:,.10g}")
    return None


def _are_apart(read: Read, dots: list[tuple[float, float]]) -> bool:
    """Tell whether no dot hides another."""
    xs = [x for one in read.chart.series for x in one.xs]
    wide = (max(xs) - min(xs)) or 1.0
    return all(
        abs(one[0] - other[0]) >= CLEAR * wide or read.is_clear(one[1], other[1])
        for place, one in enumerate(dots) for other in dots[:place]
    )  # fmt: skip


def ask_highest_dot(read: Read) -> Turn | None:
    """Ask whose dot lies highest."""
    if read.chart.kind != "scatter" or not read.drawn.has_legend:
        return None
    first, second = sorted(read.chart.series, key=lambda one: -max(one.values))[:2]
    return read.say("highest_dot", first.name) if read.is_clear(max(first.values), max(second.values)) else None
