"""Lookups: what is read of data: one value, the largest and smallest, how many there are, how they are called."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from vl2.corpus.teacher.composers.asked import MOST_LISTED, Asked, Solution, listing, number_of

_OF_SERIES = re.compile(r"series|legend|系列|图例|lines|折线", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_ORDER = {("en", 0, True): "largest", ("en", 1, True): "second largest", ("en", 0, False): "smallest",
          ("zh", 0, True): "最大", ("zh", 1, True): "第二大", ("zh", 0, False): "最小"}  # fmt: skip


def value_of(asked: Asked) -> Solution | None:
    """Return the one value that a question names."""
    found = [entry for entry in asked.data.entries
             if asked.name in ("", entry.name) and asked.one_series in ("", entry.series)]  # fmt: skip
    if len(found) != 1 or len(asked.names) > 1:
        return None
    (entry,) = found
    step = asked.say(
        ("The value given for {label} is {said}.", "At {label} one reads {said}.", "{label} stands at {said}."),
        ("{label}对应的数值是{said}。", "在{label}处可以读出{said}。", "图中{label}的数值为{said}。"),
        label=entry.label, said=entry.said,
    )  # fmt: skip
    return Solution((step,), entry.said)


def extreme(place: int, *, largest: bool) -> Callable[[Asked], Solution | None]:
    """Return what finds a place of the ranking: a name among those of one series, or a series at one name."""

    def solve(asked: Asked) -> Solution | None:
        if len(asked.names) > 1 or len(asked.series) > 1:
            return None
        entries = asked.of(asked.name, asked.one_series)
        others = {entry.name if asked.name else entry.series for entry in entries}
        order = sorted(entries, key=number_of, reverse=largest)
        if len(order) < place + 2 or len(others) > 1:
            return None
        best = order[place]
        if sum(number_of(entry) == number_of(best) for entry in entries) > 1:
            return None  # two that are equal
        answer = best.series if asked.name else best.name
        step = asked.say(
            ("The {word} of them is {said}, for {answer}.", "{answer} has the {word} value, {said}."),
            ("其中{word}的是{answer}，为{said}。", "{answer}的数值{word}，是{said}。"),
            word=_ORDER[asked.language, place, largest], said=best.said, answer=answer,
        )  # fmt: skip
        return Solution((listing(asked, entries, order), step), answer)

    return solve


def count_of(asked: Asked) -> Solution | None:
    """Return how many names there are, or series where a question asks for those."""
    names = asked.data.series if _OF_SERIES.search(asked.question) else asked.data.names
    if not 2 <= len(names) <= 2 * MOST_LISTED:
        return None
    listed = ("、" if asked.language == "zh" else ", ").join(names)
    step = asked.say(
        ("These are {listed}.", "Named are {listed}."), ("它们是{listed}。", "图中有{listed}。"), listed=listed
    )
    total = asked.say(("Counted, that makes {n}.", "Altogether there are {n}."), ("一共{n}个。",), n=len(names))
    return Solution((step, total), str(len(names)))


def count_above(asked: Asked) -> Solution | None:
    """Return how many values are above the number that a question names."""
    found = _NUMBER.findall(asked.question)
    entries = asked.of(series=asked.one_series)
    if len(found) != 1 or len({entry.series for entry in entries}) > 1:
        return None
    limit = Decimal(found[0].replace(",", ""))
    over = [entry for entry in entries if number_of(entry) > limit]
    if len(over) > MOST_LISTED:
        return None
    none = asked.say(("No value is above {limit}.",), ("没有数值超过{limit}。",), limit=found[0])
    total = asked.say(
        ("That makes {n} above {limit}.", "Counted, {n} above {limit}."), ("超过{limit}的有{n}个。",),
        limit=found[0], n=len(over),
    )  # fmt: skip
    return Solution((listing(asked, over) if over else none, total), str(len(over)))


def title_of(asked: Asked) -> Solution | None:
    """Return what data are called."""
    if not asked.data.title:
        return None
    forms = ("Above the data stands “{title}”.", "The heading reads “{title}”."), ("图上方写着“{title}”。",)
    return Solution((asked.say(*forms, title=asked.data.title),), asked.data.title)


def untold(asked: Asked) -> Solution | None:
    """Return nothing: data do not tell of colours, axes and kinds of charts."""
    return None
