"""Turns: questions about one picture with their answers, as a conversation."""

from __future__ import annotations

from collections.abc import Iterable

from vl2.core.sample import ImagePart, Message, Part, TextPart

Turn = tuple[tuple[Part, ...], tuple[Part, ...]]  # question and answer


def converse(turns: Iterable[Turn]) -> tuple[Message, ...]:
    """Return the turns as messages; the picture stands before the first question."""
    messages: list[Message] = []
    for question, answer in turns:
        opening: tuple[Part, ...] = () if messages else (ImagePart(), TextPart("\n"))
        messages += [Message("user", (*opening, *question)), Message("assistant", answer)]
    return tuple(messages)
