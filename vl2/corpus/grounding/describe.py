"""Describe: a caption whose phrases carry their boxes, for a question that begins with the grounding mark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vl2.core.sample import BoxesPart, ImagePart, Message, Part, Sample, TextPart
from vl2.corpus.filters.language import main_language
from vl2.corpus.grounding.spans import drop_overlapping, inline, read_spans, stripped
from vl2.corpus.grounding.targets import checked, is_plain, size_of
from vl2.corpus.grounding.wording import say
from vl2.corpus.rewriting import dice_of
from vl2.data.faults import RowError
from vl2.processor.marks import ADDED_IN_ORDER, GROUNDING


@dataclass(frozen=True, kw_only=True)
class DescribeGrounded:
    """Captions come as `caption` and `spans` of provenance, or as answers that hold boxes already."""

    least_boxes: int = 1  # of a caption
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row as one question and its grounded caption. Raises RowError."""
        told = sample.provenance.get("spans")
        answer = _inlined(sample, told) if told is not None else _given(sample)
        if sum(len(part.boxes) for part in answer if isinstance(part, BoxesPart)) < self.least_boxes:
            raise RowError("a caption without boxes")
        if any(mark in part.text for part in answer if isinstance(part, TextPart) for mark in ADDED_IN_ORDER):
            raise RowError("a caption with marks of its own")
        dice = dice_of(sample, "describe", self.seed)
        language = "zh" if main_language(stripped(answer)) == "zh" else "en"
        question = (ImagePart(), TextPart("\n" + GROUNDING + say("describe", language, dice)))
        messages = (Message("user", question), Message("assistant", answer))
        return checked(replace(sample, messages=messages, images=sample.images[:1], answers=(),
                               objects=tuple(item for item in sample.objects if item.image == 0)))  # fmt: skip


def _inlined(sample: Sample, told: Any) -> tuple[Part, ...]:
    caption = sample.provenance.get("caption")
    if not isinstance(caption, str):
        raise RowError("spans without their caption")
    return inline(caption, drop_overlapping(read_spans(told, caption, size_of(sample, 0))))


def _given(sample: Sample) -> tuple[Part, ...]:
    """Return the first answer that holds boxes; labels that the parser would not give back become text."""
    answers = (message.parts for message in sample.messages if message.role == "assistant")
    grounded = (parts for parts in answers if any(isinstance(part, BoxesPart) and part.boxes for part in parts))
    found = next(grounded, None)
    if found is None:
        raise RowError("a caption without boxes")
    return tuple(_plain_or_text(part) for part in found)


def _plain_or_text(part: Part) -> Part:
    return TextPart(part.label) if isinstance(part, BoxesPart) and not (part.boxes and is_plain(part.label)) else part
