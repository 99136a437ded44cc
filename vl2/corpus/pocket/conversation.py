"""Conversation: what a drawing function is asked for, what it returns, and the turns it makes of it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, Message, Part, TextPart
from vl2.corpus.pocket.canvas import Picture, Split

UNGRADED = ""  # the kind of turns that train but are not measured


@dataclass(frozen=True)
class Brief:
    """What to draw: `kinds` are the bench kinds wanted, the first one decides the scene."""

    rng: random.Random
    split: Split
    kinds: tuple[str, ...]

    @property
    def focus(self) -> str:
        """Return the kind that decides the scene."""
        return self.kinds[0]


@dataclass(frozen=True)
class Turn:
    """One question with its answer; `accepted` holds every right string (none where boxes are the answer)."""

    kind: str
    question: str
    answer: tuple[Part, ...]
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drawn:
    """Finished pictures and the turns asked about them, the focus first."""

    pictures: tuple[Picture, ...]
    turns: tuple[Turn, ...]


def say(kind: str, question: str, answer: str, *also: str) -> Turn:
    """Make a turn with a text answer; `also` are other right strings."""
    return Turn(kind, question, (TextPart(answer),), (answer, *also))


def point_out(kind: str, label: str, picture: Picture, boxes: Iterable[tuple[int, int, int, int]]) -> Turn:
    """Make a grounding turn: the question is the bare reference, the answer its boxes."""
    found = tuple(to_box(box, picture) for box in boxes)
    return Turn(kind, refer(label), (BoxesPart(label, found),))


def refer(label: str) -> str:
    """Return the reference that asks for boxes."""
    return f"<|ref|>{label}<|/ref|>"


def without_article(turn: Turn) -> Turn:
    """Return a grounding turn whose label lacks its "the", as people type it."""
    answer: list[Part] = []
    for part in turn.answer:
        answer.append(BoxesPart(part.label.removeprefix("the "), part.boxes) if isinstance(part, BoxesPart) else part)
    return replace(turn, question=turn.question.replace("<|ref|>the ", "<|ref|>"), answer=tuple(answer))


def to_box(corners: tuple[float, float, float, float], picture: Picture) -> Box:
    """Turn pixel corners into a Box of the picture."""
    return Box.from_pixels(*corners, width=picture.width, height=picture.height)


def converse(turns: Iterable[Turn], num_images: int) -> tuple[Message, ...]:
    """Lay turns out as messages; the first question carries the images."""
    messages: list[Message] = []
    for number, turn in enumerate(turns):
        parts: tuple[Part, ...] = (TextPart(turn.question),)
        if number == 0 and num_images:
            parts = (*_places(num_images), TextPart("\n" + turn.question))
        messages += [Message("user", parts), Message("assistant", turn.answer)]
    return tuple(messages)


def _places(num_images: int) -> tuple[Part, ...]:
    places: list[Part] = [ImagePart()]
    for _ in range(num_images - 1):
        places += [TextPart("\n"), ImagePart()]
    return tuple(places)
