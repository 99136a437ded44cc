"""Recaption: a new caption from the image, what OCR read, what is known of it, and its old caption (section 3.2)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vl2.core.sample import ImagePart, Message, Sample, TextPart
from vl2.corpus.filters.language import main_language
from vl2.corpus.grounding.wording import say
from vl2.corpus.hints import caption_of, metadata_of, ocr_of
from vl2.corpus.rewriting import dice_of
from vl2.corpus.teacher.ask import Ask
from vl2.corpus.teacher.prompts import load_prompt
from vl2.corpus.teacher.teaching import Taught
from vl2.data.faults import RowError

LEAST_CHARACTERS = 16
_LEAD_IN = re.compile(
    r"^(?:sure[,!.] ?|here(?: is|'s) (?:the|a|your)[^:\n]{0,40}: ?|(?:new )?caption: ?|description: ?"
    r"|(?:the|this) (?:image|picture|photo) (?:displays|shows|depicts): ?"
    r"|(?:这张|该|此)?图片?(?:显示|展示)[：:] ?|描述[：:] ?)",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "“": "”", "「": "」"}


@dataclass(frozen=True, kw_only=True)
class Recaption(Taught):
    """Shares of rows whose request holds a hint, so that no caption can lean on one always being there."""

    ocr_share: float = 0.7
    metadata_share: float = 0.7
    caption_share: float = 0.8
    chinese_share: float = 0.3

    def asks(self, sample: Sample) -> list[Ask]:
        """Return the request about the first image. Raises RowError without one."""
        if not sample.images:
            raise RowError("no image to describe")
        dice = dice_of(sample, "recaption", self.seed)
        name = "recaption_zh" if self._is_chinese(sample) else "recaption"
        metadata = "\n".join(f"{key}: {value}" for key, value in metadata_of(sample).items())
        values = {
            "ocr": _by_chance("\n".join(ocr_of(sample)), self.ocr_share, dice),
            "metadata": _by_chance(metadata, self.metadata_share, dice),
            "caption": _by_chance(caption_of(sample), self.caption_share, dice),
        }
        return [load_prompt(name).fill(values, dice, sample.images[:1])]

    def change(self, sample: Sample, said: Sequence[str]) -> Sample:
        """Return the row with its new caption; the old one stays in `caption` of provenance, to be mixed in."""
        caption = without_lead_in(said[0])
        if len(caption) < LEAST_CHARACTERS:
            raise RowError("no caption in the reply")
        language = "zh" if self._is_chinese(sample) else "en"
        question = say("describe", language, dice_of(sample, "describe", self.seed))
        messages = (
            Message("user", (ImagePart(), TextPart(f"\n{question}"))),
            Message("assistant", (TextPart(caption),)),
        )
        return replace(sample, messages=messages, images=sample.images[:1], answers=(),
                       objects=tuple(item for item in sample.objects if item.image == 0),
                       provenance={**sample.provenance, "caption": caption_of(sample)})  # fmt: skip

    def _is_chinese(self, sample: Sample) -> bool:
        if main_language(caption_of(sample)) == "zh":
            return True
        return dice_of(sample, "language", self.seed).random() < self.chinese_share


def without_lead_in(text: str) -> str:
    """Return a caption without the words that models put before one, and without quotes around it."""
    text = _LEAD_IN.sub("", text.strip()).strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text.count(text[-1]) <= 2:
        text = text[1:-1].strip()
    return text


def _by_chance(value: str, share: float, dice: random.Random) -> str:
    return value if dice.random() < share else ""
