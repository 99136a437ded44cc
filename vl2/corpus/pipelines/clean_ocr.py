"""Clean OCR: what an engine read, made readable. A teacher that changes too much was inventing, and is not believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vl2.core.sample import Message, Sample, TextPart
from vl2.corpus.hints import questions_of
from vl2.corpus.pipelines.spelling import error_rate
from vl2.corpus.rewriting import dice_of
from vl2.corpus.step import text_of
from vl2.corpus.teacher.ask import Ask
from vl2.corpus.teacher.prompts import load_prompt
from vl2.corpus.teacher.teaching import Taught
from vl2.data.faults import RowError

UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, kw_only=True)
class CleanOCR(Taught):
    """How much of a text may change; with more, the reading was poor, or the teacher invents."""

    most_changed: float = 0.2  # of its characters

    def asks(self, sample: Sample) -> list[Ask]:
        """Return a request for each answer that transcribes. Raises RowError without one."""
        turns = questions_of(sample)
        if not turns or not sample.images:
            raise RowError("no transcription of an image")
        dice, prompt = dice_of(sample, "clean_ocr", self.seed), load_prompt("ocr_cleaning")
        return [prompt.fill({"text": text_of(Sample("", (answer,)))}, dice, sample.images) for _, answer in turns]

    def change(self, sample: Sample, said: Sequence[str]) -> Sample:
        """Return the row with its texts cleaned. Raises RowError on a text that cannot be."""
        messages: list[Message] = [turn for turn in sample.messages if turn.role == "system"]
        for (question, answer), text in zip(questions_of(sample), said, strict=True):
            if text.strip(" .") == UNREADABLE:
                raise RowError("a text that the teacher calls unreadable")
            if error_rate(text_of(Sample("", (answer,))), text) > self.most_changed:
                raise RowError("a text of which the teacher changes too much")
            messages += [question, Message("assistant", (TextPart(text),))]
        return replace(sample, messages=tuple(messages))
