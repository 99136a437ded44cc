"""Scene caption: what stands in a scene, how many of each and where, in English or Chinese, its names with boxes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from vl2.corpus.drawing.scene.cast import Thing
from vl2.corpus.drawing.scene.ground import Backdrop
from vl2.corpus.grounding.wording import Language

Corners = tuple[int, int, int, int]
Span = list[int]  # start, end, x1, y1, x2, y2
MOST_RELATIONS = 3
LEAST_GAP = 8  # pixels between two things of which one is said to be left of the other, or above it
LEAST_RATIO = 1.5  # of the boxes of the largest thing and of any other
TOTAL_SHARE, LARGEST_SHARE = 0.3, 0.4  # of captions where that can be said
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
_NUMBERS_ZH = ("零", "一", "两", "三", "四", "五", "六", "七", "八")
_ENGLISH = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
_CHINESE = {"left": "左边", "right": "右边", "above": "上方", "below": "下方"}


@dataclass(frozen=True)
class Group:
    """All things of one label."""

    thing: Thing
    boxes: tuple[Corners, ...]

    @property
    def around(self) -> Corners:
        """Return the box around all of them."""
        x1, y1, x2, y2 = zip(*self.boxes, strict=True)
        return min(x1), min(y1), max(x2), max(y2)


@dataclass(frozen=True)
class _Named:
    """Words that stand for a group, and so carry its boxes."""

    text: str
    group: Group


Piece = str | _Named


def write_caption(
    groups: Sequence[Group], ground: Backdrop, language: Language, dice: random.Random
) -> tuple[str, list[Span]]:
    """Return a caption, and for each of its names `[start, end, x1, y1, x2, y2]` in characters and pixels."""
    opening, relation, rest = (_open_en, _relate_en, _rest_en) if language == "en" else (_open_zh, _relate_zh, _rest_zh)
    sentences = [opening(groups, ground, dice)]
    found = list(find_relations(groups))
    for one, where, other in _different(dice.sample(found, len(found)))[: dice.randint(1, MOST_RELATIONS)]:
        sentences.append(relation(one, where, other))
    sentences += rest(groups, dice)
    return _joined(sentences, " " if language == "en" else "")


def find_relations(groups: Sequence[Group]) -> Iterator[tuple[Group, str, Group]]:
    """Yield what is wholly left or right of, above or below what."""
    for one, other in permutations(groups, 2):
        first, second = one.around, other.around
        if first[2] + LEAST_GAP <= second[0]:
            yield one, "left", other
            yield other, "right", one
        if first[3] + LEAST_GAP <= second[1]:
            yield one, "above", other
            yield other, "below", one


def find_largest(groups: Sequence[Group]) -> Group | None:
    """Return the group of one thing whose box is much larger than any other, if there is one."""
    found = sorted(((_area(box), group) for group in groups for box in group.boxes), key=lambda one: -one[0])
    if len(found) < 2 or found[0][0] < LEAST_RATIO * found[1][0]:
        return None
    largest = found[0][1]
    return largest if len(largest.boxes) == 1 else None


def _different(relations: Sequence[tuple[Group, str, Group]]) -> list[tuple[Group, str, Group]]:
    """Return one relation of each pair, and no more than one that begins with a group."""
    pairs: set[frozenset[str]] = set()
    begun: set[str] = set()
    kept: list[tuple[Group, str, Group]] = []
    for one, where, other in relations:
        pair = frozenset((one.thing.label, other.thing.label))
        if pair not in pairs and one.thing.label not in begun:
            pairs.add(pair)
            begun.add(one.thing.label)
            kept.append((one, where, other))
    return kept


def _area(box: Corners) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _open_en(groups: Sequence[Group], ground: Backdrop, dice: random.Random) -> list[Piece]:
    listed = _listed([_counted_en(group) for group in groups], ", ", " and ")
    is_one = len(groups[0].boxes) == 1
    return dice.choice((
        ["The picture shows ", *listed, f" {ground.english}."],
        ["There ", "is " if is_one else "are ", *listed, f" {ground.english}."],
        [*_capital(listed), " can be seen ", f"{ground.english}."],
    ))  # fmt: skip


def _relate_en(one: Group, where: str, other: Group) -> list[Piece]:
    verb = " is " if len(one.boxes) == 1 else " are "
    return [*_capital(_the(one)), verb, _ENGLISH[where], " ", *_the(other), "."]


def _rest_en(groups: Sequence[Group], dice: random.Random) -> list[list[Piece]]:
    found: list[list[Piece]] = []
    largest = find_largest(groups)
    if largest is not None and dice.random() < LARGEST_SHARE:
        found.append([*_capital(_the(largest)), " is the largest thing in the picture."])
    total = sum(len(group.boxes) for group in groups)
    if total > 2 and dice.random() < TOTAL_SHARE:
        found.append([f"There are {_NUMBERS[total]} things in all."])
    return found


def _counted_en(group: Group) -> list[Piece]:
    if len(group.boxes) > 1:
        return [_NUMBERS[len(group.boxes)] + " ", _Named(group.thing.plural, group)]
    article = "an " if group.thing.label[0].lower() in "aeiou" else "a "
    return [article, _Named(group.thing.label, group)]


def _the(group: Group) -> list[Piece]:
    if len(group.boxes) > 1:
        return [f"the {_NUMBERS[len(group.boxes)]} ", _Named(group.thing.plural, group)]
    return ["the ", _Named(group.thing.label, group)]


def _capital(pieces: list[Piece]) -> list[Piece]:
    first = pieces[0]
    return [first[0].upper() + first[1:], *pieces[1:]] if isinstance(first, str) else pieces


def _open_zh(groups: Sequence[Group], ground: Backdrop, dice: random.Random) -> list[Piece]:
    listed = _listed([_counted_zh(group) for group in groups], "、", "和")
    return dice.choice((
        ["图中有", *listed, f"，背景是{ground.chinese}。"],
        [f"以{ground.chinese}为背景，画面中有", *listed, "。"],
        ["画面上可以看到", *listed, f"，背景是{ground.chinese}。"],
    ))  # fmt: skip


def _relate_zh(one: Group, where: str, other: Group) -> list[Piece]:
    subject = [*_counted_zh(one), "都"] if len(one.boxes) > 1 else [_Named(one.thing.chinese, one)]
    place = _counted_zh(other) if len(other.boxes) > 1 else [_Named(other.thing.chinese, other)]
    return [*subject, "在", *place, f"的{_CHINESE[where]}。"]


def _rest_zh(groups: Sequence[Group], dice: random.Random) -> list[list[Piece]]:
    found: list[list[Piece]] = []
    largest = find_largest(groups)
    if largest is not None and dice.random() < LARGEST_SHARE:
        found.append(["其中", _Named(largest.thing.chinese, largest), "最大。"])
    total = sum(len(group.boxes) for group in groups)
    if total > 2 and dice.random() < TOTAL_SHARE:
        found.append([f"一共有{_NUMBERS_ZH[total]}个物体。"])
    return found


def _counted_zh(group: Group) -> list[Piece]:
    return [_NUMBERS_ZH[len(group.boxes)] + group.thing.measure, _Named(group.thing.chinese, group)]


def _listed(items: Sequence[list[Piece]], comma: str, last: str) -> list[Piece]:
    """Return the items in a row: a, b and c."""
    pieces: list[Piece] = []
    for number, item in enumerate(items):
        between = "" if not number else last if number == len(items) - 1 else comma
        pieces += [between, *item] if between else item
    return pieces


def _joined(sentences: Sequence[list[Piece]], between: str) -> tuple[str, list[Span]]:
    text, spans = "", list[Span]()
    for sentence in sentences:
        text += between if text else ""
        for piece in sentence:
            words = piece if isinstance(piece, str) else piece.text
            if isinstance(piece, _Named):
                spans += [[len(text), len(text) + len(words), *box] for box in piece.group.boxes]
            text += words
    return text, spans
