"""Align: one picture and its caption, for the stage that only learns to see (section 3.2: ShareGPT4V)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vl2.core.sample import ImagePart, Message, Sample, TextPart
from vl2.corpus.hints import questions_of
from vl2.corpus.step import text_of
from vl2.data.faults import RowError


@dataclass(frozen=True, kw_only=True)
class Align:
    """How many turns stay: 1 for captions, more for conversations."""

    most_turns: int = 1

    def change(self, sample: Sample) -> Sample:
        """Return the row with its first turns. Raises RowError unless every picture has its place in the first."""
        turns = questions_of(sample)
        if not turns or not sample.images:
            raise RowError("no picture, or no question with an answer")
        places = sum(isinstance(part, ImagePart) for question, _ in turns for part in question.parts)
        first = sum(isinstance(part, ImagePart) for part in turns[0][0].parts)
        if not places == first == len(sample.images):
            raise RowError("images do not match their places")
        kept = turns[: self.most_turns]
        if not all(text_of(Sample("", (answer,))) for _, answer in kept):
            raise RowError("an answer that says nothing")
        question, answer = kept[0]
        words = "".join(part.text for part in question.parts if isinstance(part, TextPart)).strip()
        opening = Message("user", (*[ImagePart()] * first, TextPart(f"\n{words}")))
        rest = (message for turn in kept[1:] for message in turn)
        return replace(sample, messages=(opening, answer, *rest))
