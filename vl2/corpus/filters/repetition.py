"""Repetition: text that says the same again, as a model does that has lost its way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from vl2.corpus.characters import code_points
from vl2.corpus.filters.tokens import tokens_of

GRAM, GRAM_WORDS = 5, 3  # tokens: shorter ones recur in honest text; of them words, for numbers recur in tables
HAN_WORDS = 0.6  # words that a Chinese character is, on average
LEAST_RUN = 8  # words of a run that stood before: shorter ones are figures of speech
LEAST_SENTENCE = 5  # tokens of one that is said twice: `I see.` may be
LOOK = 4  # characters that have to recur for a loop to be looked for
MOST_PERIODS = 6  # distances that are tried, the most frequent first
LEAST_LINE, LEAST_CODE_LINE = 8, 16  # letters and digits, Chinese counts double: `yes` or `else:` may stand in a column
LOOPS = ((3, 30), (8, 16))  # copies and characters, at least: `哈哈哈` and three boxes to tick are none
COUNTED_COPIES, COUNTED_PERIOD = 6, 10  # of a loop in which only numbers change, on one line
COUNTED_LOOPS = ((COUNTED_COPIES, COUNTED_COPIES * COUNTED_PERIOD),)
VERSE_LINES, VERSE_WIDTH = 4, 50  # at least, at most: in verse a line may come twice
MOST_LEADER = 100  # dots or underscores in a row that may be layout
_LETTERS_A_SYMBOL = 8  # in prose there are more of them

_TAG = re.compile(r"<[^<>\n]{1,200}>")
_SYMBOL = re.compile(r"[{}\[\]()=;\\&^_#$|]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_LEADER = re.compile(r"([_.\-=*·…~#X])\1{2,}")
_NUMBER = re.compile(r"\d+")
_HAN = re.compile(r"[\u3400-\u9fff]")


def repetition(text: str) -> dict[str, float]:
    """Return shares of the text: in lines that stood before, in runs of words that stood before, in one loop."""
    return {"lines": repeated_lines(text), "words": repeated_words(text), "loop": longest_loop(text)}


def repeated_lines(text: str) -> float:
    """Return the share of characters in lines that stood before; rules, blank lines and short entries do not count.

    In verse a line may come a second time: a refrain.
    """
    lines = [line for line in map(str.strip, text.splitlines()) if _counts_as_line(line)]
    total = sum(map(len, lines))
    if not total:
        return 0.0
    is_verse = len(lines) >= VERSE_LINES and all(len(line) <= VERSE_WIDTH and not _is_code(line) for line in lines)
    free = 2 if is_verse else 1
    again = sum(len(line) * max(0, number - free) for line, number in Counter(lines).items())
    return again / total


def _counts_as_line(line: str) -> bool:
    weight = sum(map(str.isalnum, line)) + len(_HAN.findall(line))
    return weight >= (LEAST_CODE_LINE if _is_code(line) else LEAST_LINE)


def _is_code(line: str) -> bool:
    """Tell whether a line has as many symbols as code, markup and formulas have."""
    return len(_SYMBOL.findall(line)) * _LETTERS_A_SYMBOL > sum(map(str.isalpha, line))


def repeated_words(text: str) -> float:
    """Return the share of tokens of prose in runs that stood before, or twice that of whole sentences, if larger."""
    lines = [line for line in _TAG.sub(" ", text).splitlines() if line.strip() and not _is_code(line)]
    tokens = tokens_of("\n".join(lines))
    grams = [tuple(tokens[at : at + GRAM]) for at in range(len(tokens) - GRAM + 1)]
    repeated = {gram for gram, number in Counter(grams).items() if number > 1 and _has_words(gram)}
    if not repeated:
        return 0.0
    seen: set[tuple[str, ...]] = set()
    covered = np.zeros(len(tokens), bool)
    for at, gram in enumerate(grams):
        if gram in seen:
            covered[at : at + GRAM] = True
        elif gram in repeated:
            seen.add(gram)
    edges = np.flatnonzero(np.diff(covered.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)  # [runs, 2]
    words = np.concatenate([[0], np.cumsum([HAN_WORDS if _HAN.match(token) else 1 for token in tokens])])
    lengths = np.diff(words[edges], axis=1)[:, 0]
    in_runs = np.diff(edges, axis=1)[lengths >= min(LEAST_RUN, words[-1] // 2), 0].sum()  # a short text may come twice
    return float(min(1.0, max(in_runs, 2 * _repeated_sentences(lines)) / len(tokens)))


def _has_words(gram: tuple[str, ...]) -> bool:
    return sum(token[0].isalpha() for token in gram) >= GRAM_WORDS


def _repeated_sentences(lines: list[str]) -> int:
    """Return the tokens of sentences that stood before and share their line with others; verse has lines of one."""
    found = [[tokens_of(one) for one in _SENTENCE_END.split(line) if one] for line in lines]
    said = Counter(tuple(one) for line in found if len(line) > 1 for one in line if len(one) >= LEAST_SENTENCE)
    return sum(len(one) * (number - 1) for one, number in said.items())


def longest_loop(text: str) -> float:
    """Return the share of characters in the longest stretch that is one piece again and again, three times or more."""
    whole = _LEADER.sub(_shortened, "".join(text.split()))
    found = _longest(whole, LOOPS)
    counting = (line for line in text.splitlines() if len(_NUMBER.findall(line)) >= COUNTED_COPIES)
    folded = (_NUMBER.sub("0", "".join(line.split())) for line in counting)
    counted = max((_longest(line, COUNTED_LOOPS, COUNTED_PERIOD) for line in folded), default=0)
    return max(found, counted) / len(whole) if whole else 0.0


def _shortened(leader: re.Match[str]) -> str:
    return leader.group()[:3] if len(leader.group()) <= MOST_LEADER else leader.group()


def _longest(text: str, loops: Sequence[tuple[int, int]], least_period: int = 1) -> int:
    """Return the length of the longest loop, 0 without one."""
    points = code_points(text)  # [characters]
    if len(points) < min(least for _, least in loops):
        return 0
    periods = (period for period in _periods(points) if period >= least_period)
    return max((_loop_length(points, period, loops) for period in periods), default=0)


def _periods(points: np.ndarray) -> list[int]:
    """Return the most frequent distances between a few characters and their next occurrence."""
    windows = np.lib.stride_tricks.sliding_window_view(points.astype(np.uint64), LOOK)  # [places, LOOK]
    keys = windows @ np.array([1, 1 << 21, 1 << 42, 0x9E3779B97F4A7C15], np.uint64)  # [places]
    order = np.argsort(keys, kind="stable")
    distances = np.diff(order)[keys[order[1:]] == keys[order[:-1]]]
    if not len(distances):
        return []
    counts = np.bincount(distances)
    return [int(period) for period in np.argsort(-counts, kind="stable")[:MOST_PERIODS] if counts[period]]


def _loop_length(points: np.ndarray, period: int, loops: Sequence[tuple[int, int]]) -> int:
    """Return the length of the longest stretch with this period, 0 when it has too few copies or characters."""
    differs = np.flatnonzero(points[period:] != points[:-period])
    ends = np.concatenate([[-1], differs, [len(points) - period]])
    length = int(np.diff(ends).max()) - 1 + period
    return length if any(length >= max(least, copies * period) for copies, least in loops) else 0
