"""Turns: who said what, as files write it, to the messages of a Sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vl2.core.sample import BoxesPart, ImagePart, Message, Part, Role, TextPart
from vl2.data.faults import RowError

IMAGE_PLACE = "<image>"
ROLE_OF: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
}


def role_of(told: object) -> Role:
    """Return our word for a role. Raises RowError on a role that we do not know."""
    if not isinstance(told, str) or told.lower() not in ROLE_OF:
        raise RowError("unknown role", got=repr(told)[:40], expected=", ".join(ROLE_OF))
    return ROLE_OF[told.lower()]


def text_of(told: object) -> str:
    """Return the text of a turn. Raises RowError when it is none."""
    if not isinstance(told, str):
        raise RowError("a text is not a string", got=type(told).__name__)
    return told


def split_at_images(text: str) -> tuple[Part, ...]:
    """Return the text with a place for each `<image>`, wherever it stands."""
    first, *others = text.split(IMAGE_PLACE)
    return tuple(_parts(first, others))


def to_messages(turns: Sequence[Message], num_images: int) -> tuple[Message, ...]:
    """Return checked messages: user and assistant in turns after at most one system message, an answer at the end.

    What the assistant says before the first question is left out, as LLaVA's own training does. Images without any
    place stand before the first question. Raises RowError on what cannot be learned from.
    """
    kept = _from_first_question(turns)
    expected: tuple[Role, ...] = ("system", "user")
    for turn in kept:
        if turn.role not in expected:
            raise RowError("turns do not alternate", got=turn.role, expected=" or ".join(expected))
        if turn.role != "user" and _num_places(turn):
            raise RowError(f"an image in a turn of the {turn.role}")
        expected = ("assistant",) if turn.role == "user" else ("user",)
    if not kept or kept[-1].role != "assistant":
        raise RowError("does not end with an answer")
    num_places = sum(map(_num_places, kept))
    if not num_places:
        first = next(number for number, turn in enumerate(kept) if turn.role == "user")
        kept[first] = Message("user", (*[ImagePart()] * num_images, *kept[first].parts))
    elif num_places != num_images:
        raise RowError("images do not match their places", got=num_images, expected=num_places)
    return tuple(kept)


def question_of(label: str, num_images: int = 1) -> Message:
    """Return the question where something is: the bare reference, as the released model was trained on it."""
    return Message("user", (*[ImagePart()] * num_images, TextPart("\n"), BoxesPart(label, ())))


def _from_first_question(turns: Sequence[Message]) -> list[Message]:
    asked = False
    kept = []
    for turn in turns:
        asked = asked or turn.role == "user"
        if asked or turn.role == "system":
            kept.append(turn)
    return kept


def _num_places(turn: Message) -> int:
    return sum(isinstance(part, ImagePart) for part in turn.parts)


def _parts(first: str, others: Sequence[str]) -> Iterator[Part]:
    if first:
        yield TextPart(first)
    for other in others:
        yield ImagePart()
        if other:
            yield TextPart(other)
