"""Answerer: the seam between the runner and whoever answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vl2.core.sample import BoxesPart, ImagePart, Message, Sample, TextPart
from vl2.processor.grounding import render
from vl2.processor.marks import IMAGE

Setting = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whose answers these are. Equal identities give equal answers to equal questions."""

    model: str  # as it was named
    fingerprint: str  # of its weights, or the address that answers
    activated_parameters: int | None = None  # None where a server does not say
    settings: Mapping[str, Setting] = field(default_factory=dict)  # what else the answers depend on


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How answers are generated: always greedily."""

    max_new_tokens: int
    stop: tuple[str, ...] = ()
    max_tiles: int | None = None  # local tiles an image may have, where not the model's own number


@dataclass(frozen=True, kw_only=True)
class Question:
    """One sample that ends with an empty answer; `key` tells its content."""

    key: str
    id: str
    sample: Sample
    asking: Asking
    images: tuple[str, ...] = ()  # SHA-256 of each file


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What was said to one question, or why nothing was."""

    question: Question
    said: str = ""
    finish_reason: str = ""
    num_tokens: int | None = None
    error: str = ""


class Answerer(Protocol):
    """Answer questions, in any order; a question that fails gets a reply with its error."""

    identity: Identity

    def answer(self, questions: Iterable[Question]) -> Iterator[Reply]:
        """Yield one reply for each question as they come; no more questions are taken than can be worked on."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


def text_of(message: Message) -> str:
    """Return what a turn says, with `<image>` in the places of its images."""
    words: list[str] = []
    for part in message.parts:
        match part:
            case TextPart(text):
                words.append(text)
            case ImagePart():
                words.append(IMAGE)
            case BoxesPart(label, boxes):
                words.append(render(label, boxes))
    return "".join(words)
