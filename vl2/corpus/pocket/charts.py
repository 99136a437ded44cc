"""Charts: what bar, line and pie charts hold, and the questions about them."""

from __future__ import annotations

import random
from collections.abc import Callable

from vl2.corpus.pocket.canvas import Picture, open_picture, pick_ink
from vl2.corpus.pocket.conversation import Brief, Drawn, Turn, say
from vl2.corpus.pocket.figures import COLOURS, stands_out
from vl2.corpus.pocket.lettering import Style, pick_face
from vl2.corpus.pocket.plots import PLOTS, Chart, labels_fit
from vl2.corpus.pocket.words import DAYS, GOODS, MONTHS, NAMES, pick_distinct

CHART_SIZES = ((96, 96), (192, 96), (192, 192))
CHART_SIZE_WEIGHTS = (60, 22, 18)
CHART_BASES = ((255, 255, 255), (255, 255, 255), (246, 246, 240), (235, 242, 250), (16, 18, 30), (40, 40, 44))
UNPRINTED_TOPS = (50, 100)  # the end of the axis where values are read off
CLEAR_LEAD = 0.06  # of the axis: a smaller lead cannot be seen without printed values
NOUNS: dict[str, str] = {"bar": "bars", "rows": "bars", "line": "points", "pie": "slices"}




def draw_chart(brief: Brief) -> Drawn:
    """Draw a chart and ask for values, extremes, the number of bars and colours."""
    rng = brief.rng
    picture, chart = plot_chart(brief)
    turns = [QUESTIONS[kind](rng, chart) for kind in brief.kinds]
    return Drawn((picture,), tuple(turn for turn in turns if turn is not None))


def plot_chart(brief: Brief) -> tuple[Picture, Chart]:
    """Draw a chart on a fresh picture; the focus decides whether values are printed and colours differ."""
    rng = brief.rng
    width, height = rng.choices(CHART_SIZES, CHART_SIZE_WEIGHTS)[0]
    form = rng.choices(list(PLOTS), (40, 25, 17, 18))[0]
    printed = brief.focus == "chart.value" or (brief.focus != "chart.unprinted" and rng.random() < 0.7)
    if form == "pie" and brief.focus == "chart.unprinted":
        form = "bar"
    if form == "line" and brief.focus == "chart.colour":
        form = "rows"
    base = rng.choice(CHART_BASES)
    picture = open_picture(rng, brief.split, width, height, base=base, calm=True)
    many_colours = form == "pie" or (form != "line" and (brief.focus == "chart.colour" or rng.random() < 0.5))
    largest = 15 if width > 96 and height > 96 else 12 if width > 96 else 10
    while True:
        chart = _invent(rng, brief, form, width, printed, many_colours, base)
        style = Style(pick_face(rng, brief.split), rng.randint(9, largest), pick_ink(rng, base))
        if labels_fit(width, chart, style):
            break
    PLOTS[form](picture, chart, style, rng)
    return picture, chart


def _invent(rng: random.Random, brief: Brief, form: str, width: int, printed: bool, many_colours: bool,
            base: tuple[int, int, int]) -> Chart:  # fmt: skip
    wide = width > 96
    num = rng.randint(2, 6 if wide else 4) if form != "pie" else rng.randint(2, 5 if wide else 4)
    longest = 4 if not wide and form == "bar" and num > 2 else 5 if form in ("bar", "line") else 6
    labels = _pick_labels(rng, brief, num, 3 if form in ("bar", "line") and not wide and num > 3 else longest)
    if form == "pie":
        values = _percents(rng, num)
    elif printed:
        most = rng.choice((20, 60, 100, 100, 300))
        values = rng.sample(range(max(1, most // 12), most), num)
    else:
        top = rng.choice(UNPRINTED_TOPS)
        values = rng.sample(range(top // 10, top + 1, top // 10), num)
    visible = [name for name in COLOURS if stands_out(name, base)]
    colours = rng.sample(visible, num) if many_colours else [rng.choice(visible)] * num
    top = max(values) if printed else next(end for end in UNPRINTED_TOPS if end >= max(values))
    return Chart(form, tuple(labels), tuple(values), tuple(colours), printed, top)


def _pick_labels(rng: random.Random, brief: Brief, num: int, longest: int) -> list[str]:
    roll = rng.random()
    if roll < 0.25:
        start = rng.randrange(12)
        return [MONTHS[(start + k) % 12] for k in range(num)]
    if roll < 0.35:
        return list(DAYS[:num]) if num < 7 else list(DAYS)
    if roll < 0.5:
        start = rng.randrange(20)
        return [chr(ord("A") + start + k) for k in range(num)]
    if roll < 0.57:
        start = rng.randint(1990, 2025)
        return [str(start + k) for k in range(num)] if longest > 3 else [str(start + k)[2:] for k in range(num)]
    pool = NAMES if roll < 0.8 else GOODS
    return pick_distinct(rng, brief.split, pool, num, max(3, longest))


def _percents(rng: random.Random, num: int) -> list[int]:
    while True:
        cuts = sorted(rng.sample(range(8, 93), num - 1))
        shares = [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]
        if min(shares) >= 8 and len(set(shares)) == num:
            return shares


def _value(rng: random.Random, chart: Chart) -> Turn | None:
    if not chart.printed:
        return None
    k = rng.randrange(len(chart.labels))
    value = chart.value_text(k)
    return say("chart.value", f"What is the value of {chart.labels[k]}?", value, *_bare(value))


def _unprinted(rng: random.Random, chart: Chart) -> Turn | None:
    if chart.printed or chart.form == "pie":
        return None
    k = rng.randrange(len(chart.labels))
    return say("chart.unprinted", f"What is the value of {chart.labels[k]}?", chart.value_text(k))


def _largest(rng: random.Random, chart: Chart) -> Turn | None:
    if not chart.printed and _lead(sorted(chart.values, reverse=True)) < CLEAR_LEAD * chart.top:
        return None
    return say("chart.largest", "Which is the largest?", chart.labels[chart.values.index(max(chart.values))])


def _smallest(rng: random.Random, chart: Chart) -> Turn | None:
    if not chart.printed and _lead(sorted(chart.values)) < CLEAR_LEAD * chart.top:
        return None
    return say("chart.smallest", "Which is the smallest?", chart.labels[chart.values.index(min(chart.values))])


def _count(rng: random.Random, chart: Chart) -> Turn | None:
    return say("chart.count", f"How many {NOUNS[chart.form]} are there?", str(len(chart.values)))


def _colour(rng: random.Random, chart: Chart) -> Turn | None:
    if len(set(chart.colours)) == 1:
        return None
    k = rng.randrange(len(chart.labels))
    return say("chart.colour", f"What colour is {chart.labels[k]}?", chart.colours[k])


def _lead(ranked: list[int]) -> int:
    return abs(ranked[0] - ranked[1])


def _bare(value: str) -> tuple[str, ...]:
    return (value[:-1],) if value.endswith("%") else ()


QUESTIONS: dict[str, Callable[[random.Random, Chart], Turn | None]] = {
    "chart.value": _value,
    "chart.unprinted": _unprinted,
    "chart.largest": _largest,
    "chart.smallest": _smallest,
    "chart.count": _count,
    "chart.colour": _colour,
}
