"""Clean OCR: what an engine read, made readable. A teacher that changes too much was inventing, and is not believed.

Either the answers of a row are readings, and become clean; or a row knows its text and, in `ocr`, what an engine read
of it: then the reading is asked to be corrected, so that a model learns that, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vl2.core.sample import ImagePart, Message, Part, Sample, TextPart
from vl2.corpus.filters.language import main_language
from vl2.corpus.hints import ocr_of, questions_of
from vl2.corpus.pipelines.spelling import error_rate
from vl2.corpus.rewriting import dice_of
from vl2.corpus.step import text_of
from vl2.corpus.teacher.ask import Ask
from vl2.corpus.teacher.prompts import load_prompt
from vl2.corpus.teacher.teaching import Taught
from vl2.data.faults import RowError

UNREADABLE = "UNREADABLE"
CORRECT = {
    "en": ("An OCR engine read this in the picture. Correct its mistakes:", "Correct this reading of the picture:",
           "Compare with the picture and give the text without mistakes:"),
    "zh": ("下面是对图中文字的识别结果，请改正其中的错误：", "请对照图片，改正这段识别结果：",
           "请根据图片校对下面的文字："),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CleanOCR(Taught):
    """How much of a text may change; with more, the reading was poor, or the teacher invents."""

    most_changed: float = 0.2  # of its characters
    reading: Literal["answer", "ocr"] = "answer"  # where it stands

    def asks(self, sample: Sample) -> list[Ask]:
        """Return a request for each answer that transcribes. Raises RowError without one."""
        turns = questions_of(sample)
        if not turns or not sample.images:
            raise RowError("no transcription of an image")
        dice, prompt = dice_of(sample, "clean_ocr", self.seed), load_prompt("ocr_cleaning")
        said = [text_of(Sample("", (answer,))) for _, answer in turns]
        if self.reading == "ocr":
            read = _read(sample)
            if error_rate(said[0], read) == 0:
                raise RowError("a reading without mistakes")
            return [prompt.fill({"text": read, "document": said[0]}, dice, sample.images)]
        return [prompt.fill({"text": text, "document": ""}, dice, sample.images) for text in said]

    def change(self, sample: Sample, said: Sequence[str]) -> Sample:
        """Return the row with its texts cleaned. Raises RowError on a text that cannot be."""
        if self.reading == "ocr":
            read = _read(sample)
            self._check(read, said[0])
            language = "zh" if main_language(said[0]) == "zh" else "en"
            order = dice_of(sample, "correct", self.seed).choice(CORRECT[language])
            images: tuple[Part, ...] = (ImagePart(),) * len(sample.images)
            asked = Message("user", (*images, TextPart(f"\n{order}\n{read}")))
            return replace(sample, messages=(asked, Message("assistant", (TextPart(said[0]),))), answers=())
        messages: list[Message] = [turn for turn in sample.messages if turn.role == "system"]
        for (question, answer), text in zip(questions_of(sample), said, strict=True):
            self._check(text_of(Sample("", (answer,))), text)
            messages += [question, Message("assistant", (TextPart(text),))]
        return replace(sample, messages=tuple(messages))

    def _check(self, before: str, cleaned: str) -> None:
        if cleaned.strip(" .") == UNREADABLE:
            raise RowError("a text that the teacher calls unreadable")
        if error_rate(before, cleaned) > self.most_changed:
            raise RowError("a text of which the teacher changes too much")


def _read(sample: Sample) -> str:
    read = "\n".join(ocr_of(sample))
    if not read:
        raise RowError("nothing that an engine read")
    return read
