"""Comparisons: what two values make together: difference, sum, which is higher, whether they are half, a trend."""

from __future__ import annotations

from decimal import Decimal

from vl2.corpus.teacher.composers.asked import MOST_LISTED, Asked, Solution, listing, number_of
from vl2.corpus.teacher.composers.entries import Entry


def two_of(asked: Asked) -> tuple[Entry, Entry] | None:
    """Return the two values that a question compares: of two names, or of two series at one name."""
    if len(asked.names) == 2 and len(asked.series) <= 1:
        pairs = [asked.of(name, asked.one_series) for name in asked.names]
    elif len(asked.series) == 2 and len(asked.names) <= 1:
        pairs = [asked.of(asked.name, series) for series in asked.series]
    else:
        return None
    return (pairs[0][0], pairs[1][0]) if all(len(pair) == 1 for pair in pairs) else None


def _read_both(asked: Asked, one: Entry, other: Entry) -> str:
    return asked.say(
        ("{a} stands at {x} and {b} at {y}.", "The value for {a} is {x}, the one for {b} is {y}."),
        ("{a}的数值是{x}，{b}的数值是{y}。", "读出{a}为{x}，{b}为{y}。"),
        a=one.label, x=one.said, b=other.label, y=other.said,
    )  # fmt: skip


def difference(asked: Asked) -> Solution | None:
    """Return by how much one of two values is above the other."""
    pair = two_of(asked)
    if pair is None:
        return None
    high, low = sorted(pair, key=number_of, reverse=True)
    return _computed(asked, pair, (high, low), "-", number_of(high) - number_of(low))


def sum_of(asked: Asked) -> Solution | None:
    """Return the sum of two values, or of all of a series."""
    pair = two_of(asked)
    if pair is not None:
        return _computed(asked, pair, pair, "+", number_of(pair[0]) + number_of(pair[1]))
    entries = asked.of(series=asked.one_series)
    if asked.names or not 2 <= len(entries) <= MOST_LISTED * 2:
        return None
    total = sum(map(number_of, entries), Decimal(0))
    terms = " + ".join(f"{number_of(entry):,}" for entry in entries)
    step = asked.say(("Added up: {terms} = {total}.", "The sum is {terms} = {total}."), ("相加：{terms} = {total}。",),
                     terms=terms, total=f"{total:,}")  # fmt: skip
    return Solution((listing(asked, entries), step), f"{total:,}")


def _computed(
    asked: Asked, pair: tuple[Entry, Entry], terms: tuple[Entry, Entry], sign: str, value: Decimal
) -> Solution:
    told = f"{number_of(terms[0]):,} {sign} {number_of(terms[1]):,} = {value:,}"
    step = asked.say(
        ("So {told}.", "Then {told}.", "That gives {told}."), ("因此{told}。", "计算得{told}。"), told=told
    )
    return Solution((_read_both(asked, *pair), step), f"{value:,}")


def higher_of_two(asked: Asked) -> Solution | None:
    """Return which of two values is higher, by what tells them apart."""
    pair = two_of(asked)
    if pair is None or number_of(pair[0]) == number_of(pair[1]):
        return None
    best = max(pair, key=number_of)
    name = _told_apart(*pair, best)
    step = asked.say(("The larger of the two is that of {name}.", "{name} is therefore the higher one."),
                     ("较大的是{name}。", "所以{name}更高。"), name=name)  # fmt: skip
    return Solution((_read_both(asked, *pair), step), name)


def is_higher(asked: Asked) -> Solution | None:
    """Return whether the first of two values is above the second."""
    pair = two_of(asked)
    if pair is None:
        return None
    is_so = number_of(pair[0]) > number_of(pair[1])
    signs = f"{number_of(pair[0]):,} {'>' if is_so else '<='} {number_of(pair[1]):,}"
    step = asked.say(("Compared: {signs}.", "As numbers, {signs}."), ("比较可得{signs}。",), signs=signs)
    answer = {"en": ("No", "Yes"), "zh": ("否", "是")}[asked.language][is_so]
    return Solution((_read_both(asked, *pair), step), answer)


def is_above_half(asked: Asked) -> Solution | None:
    """Return whether two values together are more than half of all."""
    pair = two_of(asked)
    if pair is None:
        return None
    both = number_of(pair[0]) + number_of(pair[1])
    total = sum(map(number_of, asked.of()), Decimal(0))
    step = asked.say(("Together they make {both} of {total}, and half of it is {half}.",),
                     ("两者合计{both}，总数为{total}，一半是{half}。",), both=f"{both:,}", total=f"{total:,}",
                     half=f"{total / 2:,}")  # fmt: skip
    answer = {"en": ("No", "Yes"), "zh": ("否", "是")}[asked.language][both > total / 2]
    return Solution((_read_both(asked, *pair), step), answer)


def trend(asked: Asked) -> Solution | None:
    """Return whether the later of two values is above the earlier."""
    pair = two_of(asked)
    if pair is None or number_of(pair[0]) == number_of(pair[1]):
        return None
    entries = [entry.name for entry in asked.of(series=pair[0].series)]
    one, other = sorted(pair, key=lambda entry: entries.index(entry.name))
    rises = number_of(other) > number_of(one)
    answer = {"en": ("fallen", "risen"), "zh": ("下降", "上升")}[asked.language][rises]
    step = asked.say(("From {x} to {y} it has {answer}.",), ("从{x}到{y}是{answer}。",), x=one.said, y=other.said,
                     answer=answer)  # fmt: skip
    return Solution((_read_both(asked, one, other), step), answer)


def _told_apart(one: Entry, other: Entry, best: Entry) -> str:
    return best.name if one.name != other.name else best.series
