"""Make questions: a teacher writes questions with answers about an image or a document; what is unfounded goes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from vl2.core.sample import ImagePart, Message, Part, Sample, TextPart
from vl2.corpus.filters.ocr_agreement import ocr_agreement
from vl2.corpus.filters.refusal import refusal
from vl2.corpus.filters.tokens import tokens_of
from vl2.corpus.hints import caption_of, document_of, metadata_of, ocr_of
from vl2.corpus.rewriting import dice_of
from vl2.corpus.teacher.ask import Ask
from vl2.corpus.teacher.prompts import load_prompt
from vl2.corpus.teacher.teaching import Taught
from vl2.data.faults import RowError
from vl2.processor.marks import ADDED_IN_ORDER

_FENCE = re.compile(r"^```(?:json)?\s*|\s*```$")
LONGEST = 2000  # characters of a question or an answer


@dataclass(frozen=True, kw_only=True)
class MakeQuestions(Taught):
    """Which prompt asks; `vqa` is about the images of a row, `textbook` about its document."""

    prompt: Literal["vqa", "textbook"] = "vqa"
    most_turns: int = 6
    show_document: bool = False  # in the first question, also where images stand there
    least_found: float = 0.7  # of the words of an answer that stand in its document; of what it quotes, in the image

    def asks(self, sample: Sample) -> list[Ask]:
        """Return the request. Raises RowError on a row without image or document."""
        document = document_of(sample)
        if self.prompt == "textbook" and not document:
            raise RowError("no document to ask about")
        if self.prompt == "vqa" and not sample.images:
            raise RowError("no image to ask about")
        metadata = "\n".join(f"{key}: {value}" for key, value in metadata_of(sample).items())
        values = {"caption": caption_of(sample), "metadata": metadata, "ocr": "\n".join(ocr_of(sample)),
                  "document": document}  # fmt: skip
        dice = dice_of(sample, self.prompt, self.seed)
        return [load_prompt(self.prompt).fill(values, dice, sample.images)]

    def change(self, sample: Sample, said: Sequence[str]) -> Sample:
        """Return the row as a conversation of the questions whose answers are founded. Raises RowError without one."""
        pairs = [pair for pair in read_pairs(said[0]) if self._is_founded(sample, *pair)][: self.most_turns]
        if not pairs:
            raise RowError("no answer in the reply that is founded on what it is about")
        messages: list[Message] = []
        opening = self._opening(sample)
        for question, answer in pairs:
            messages += [Message("user", (*opening, TextPart(question))), Message("assistant", (TextPart(answer),))]
            opening = ()
        return replace(sample, messages=tuple(messages), answers=())

    def _opening(self, sample: Sample) -> tuple[Part, ...]:
        images: tuple[Part, ...] = (*[ImagePart()] * len(sample.images), TextPart("\n")) if sample.images else ()
        shows = self.show_document or not sample.images
        return (*images, TextPart(f"{document_of(sample)}\n\n")) if shows else images

    def _is_founded(self, sample: Sample, question: str, answer: str) -> bool:
        if refusal(answer)["declines"]:
            return False
        if self.prompt == "textbook":
            known, own = set(tokens_of(document_of(sample))), tokens_of(answer)
            return bool(own) and sum(token in known for token in own) >= self.least_found * len(own)
        read = ocr_of(sample)
        return not read or ocr_agreement(answer, read)["agreement"] >= self.least_found


def read_pairs(said: str) -> list[tuple[str, str]]:
    """Return the questions and answers of a reply, each question once. Raises RowError on what is no such list."""
    try:
        told: Any = json.loads(_FENCE.sub("", said.strip()))
        pairs = {str(one["question"]).strip(): str(one["answer"]).strip() for one in told}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RowError("no list of questions and answers in the reply") from None
    return [pair for pair in pairs.items() if all(map(_is_usable, pair))]


def _is_usable(text: str) -> bool:
    return 0 < len(text) <= LONGEST and not any(mark in text for mark in ADDED_IN_ORDER)
