"""Truth: what an answer is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Message, Sample, TextPart
from vl2.processor.grounding import parse, render

LONGEST_ANSWER = 1 << 16  # characters; what is longer is not read, and earns nothing


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The answer that stands in the data."""

    text: str
    accepted: tuple[str, ...]  # every right answer, `text` among them
    boxes: tuple[tuple[str, Box], ...] = ()  # each with its label


Reward = Callable[[str, Truth], float]  # an answer, what it should have been: 0 worthless .. 1 perfect


def truth_of(sample: Sample) -> Truth:
    """Return what the last answer of a sample says."""
    text = text_of(sample.messages[-1])
    return Truth(text=text, accepted=(text, *sample.answers), boxes=labelled_boxes(text))


def text_of(message: Message) -> str:
    """Return a message as the model writes it."""
    return "".join(
        part.text if isinstance(part, TextPart) else render(part.label, part.boxes)
        for part in message.parts
        if isinstance(part, TextPart | BoxesPart)
    )


def labelled_boxes(text: str) -> tuple[tuple[str, Box], ...]:
    """Return every box that a text says, with its label."""
    return tuple((span.label or "", box) for span in parse(text) for box in span.boxes)
