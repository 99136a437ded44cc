"""What is guessed, when nothing is, and that a guess costs no scan."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from vl2.engine.lookup import MAX_PAUSE, Lookup

IMAGE = 9


def lookup(longest: int = 4) -> Lookup:
    return Lookup(longest=longest, never=IMAGE)


@pytest.mark.parametrize(
    ("tokens", "draft"),
    [
        ([1, 2, 3, 4, 5, 6, 1, 2], (3, 4, 5, 6)),
        ([1, 2, 3, 4, 1, 2], (3, 4, 1, 2)),
        ([1, 2, 3, 8, 1, 2, 4, 8, 1, 2], (4, 8, 1, 2)),  # where it stood last
        ([0, 1, 2, 3, 7, 8, 1, 2, 4, 7, 0, 1, 2], (3, 7, 8, 1)),  # three tokens tell more than two
        ([1, 2, 1, 2], (1, 2, 1, 2)),  # the copy goes on into itself
        ([7, 7, 7], (7, 7, 7, 7)),
        ([1, 2, 3, IMAGE, IMAGE, 1, 2], (3,)),
        ([1, 2, IMAGE, 3, 1, 2], ()),
        ([1, 2, 3], ()),
        ([1], ()),
        ([], ()),
    ],
)
def test_what_is_guessed(tokens: list[int], draft: tuple[int, ...]) -> None:
    assert lookup().propose(tokens, 8) == draft
    assert lookup().propose(tokens, 2) == draft[:2]
    assert lookup().propose(tokens, 0) == ()
    grown, found = lookup(), ()
    for count in range(1, len(tokens) + 1):
        found = grown.propose(tokens[:count], 8)
    assert found == draft, "what is noted token by token is what is noted at once"


def scanned(tokens: Sequence[int], most: int) -> tuple[int, ...]:
    """The same guess by searching everything; no tokens of images."""
    for size in (4, 3, 2):
        for place in range(len(tokens) - 1, size - 1, -1):
            if list(tokens[place - size : place]) == list(tokens[-size:]):
                endless = list(tokens[place:])
                while len(endless) < most:
                    endless.append(endless[place - len(tokens)])
                return tuple(endless[:most])
    return ()


def test_equals_a_scan_on_random_tokens() -> None:
    rng = random.Random(0)
    for _ in range(200):
        tokens, it = [rng.randrange(4) for _ in range(rng.randrange(3, 40))], lookup()
        for _ in range(10):
            tokens.append(rng.randrange(4))
            assert it.propose(tokens, 4) == scanned(tokens, 4)


def test_drafts_grow_while_they_are_right_and_shrink_when_not() -> None:
    it, tokens = lookup(longest=10), [*range(20, 60), 20, 21]
    lengths = [len(it.propose(tokens, 99))]
    for accepted in (4, 8, 10, 3, 3):
        it.learn(lengths[-1], accepted)
        lengths.append(len(it.propose(tokens, 99)))
    assert lengths == [4, 8, 10, 10, 3, 6]


def test_nothing_is_guessed_for_longer_and_longer_after_wrong_drafts() -> None:
    it, tokens = lookup(), [1, 2, 3, 1, 2]

    def pause() -> int:
        count = 0
        while not it.propose(tokens, 4):
            count += 1
        return count

    pauses = []
    for _ in range(8):
        it.learn(len(it.propose(tokens, 4)) or 1, 0)
        pauses.append(pause())
    assert pauses == [1, 2, 4, 8, 16, MAX_PAUSE, MAX_PAUSE, MAX_PAUSE]
    it.learn(1, 1)
    assert pause() == 0
    it.learn(2, 0)
    assert pause() == 1
