"""Regenerate: longer answers to questions with known short ones; what disagrees with them is not used (section 3.3).

A long answer ends with the known one on its last line. The short form stays in the corpus beside it: small models learn
more from short answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vl2.core.sample import Message, Part, Sample, TextPart
from vl2.corpus.filters.language import language_asked_in
from vl2.corpus.hints import document_of, ocr_of, question_text, questions_of
from vl2.corpus.pipelines.agreement import agrees, split_answer
from vl2.corpus.rewriting import dice_of
from vl2.corpus.step import text_of
from vl2.corpus.teacher.ask import Ask
from vl2.corpus.teacher.prompts import load_prompt
from vl2.corpus.teacher.teaching import Taught
from vl2.data.faults import RowError

MOST_TURNS = 8
ANSWER = {"en": "Answer: ", "zh": "答案："}
BRIEFLY = {"en": "Answer briefly.", "zh": "请简短回答。"}


@dataclass(frozen=True, kw_only=True)
class Regenerate(Taught):
    """Which prompt asks, which form answers take, and what becomes of a row where nothing agrees."""

    prompt: Literal["regenerate", "table", "reasoning"] = "regenerate"
    long_share: float = 0.7  # of rows; the others keep their short answers, and say so in the question
    otherwise: Literal["keep", "reject"] = "reject"  # the row as it was, or not at all

    def asks(self, sample: Sample) -> list[Ask]:
        """Return a request for each question; none for a row that keeps its short answers."""
        turns = self._turns(sample)
        if not self._is_long(sample):
            return []
        dice = dice_of(sample, "regenerate", self.seed)
        prompt = load_prompt(self.prompt)
        read, document = "\n".join(ocr_of(sample)), document_of(sample)
        told = {"ocr": read, "document": "" if document == read else document}
        values = [
            {**told, "question": question_text(question), "solution": _text(answer)} for question, answer in turns
        ]
        return [prompt.fill(one, dice, sample.images) for one in values]

    def change(self, sample: Sample, said: Sequence[str]) -> Sample:
        """Return the row with long answers where they agree. Raises RowError when none does."""
        turns = self._turns(sample)
        if not said:
            briefly = [(_with_order(question), answer) for question, answer in turns]
            return _with_turns(sample, briefly)
        long = [self._long(sample, turn, reply, n) for n, (turn, reply) in enumerate(zip(turns, said, strict=True))]
        kept = [turn for turn in long if turn is not None]
        if not kept:
            if self.otherwise == "keep":
                return sample
            raise RowError("a reply that disagrees with the known answer")
        first = _places(turns[0][0])
        if long[0] is None:  # the images stand in the first question
            kept[0] = (Message("user", (*first, *_without_places(kept[0][0]))), kept[0][1])
        return _with_turns(sample, kept)

    def _long(self, sample: Sample, turn: tuple[Message, Message], reply: str, number: int
              ) -> tuple[Message, Message] | None:  # fmt: skip
        question, answer = turn
        split = split_answer(reply)
        gold = gold_of(sample, answer, number)
        if split is None or not split[0] or not agrees(split[1], gold):
            return None
        language = language_asked_in(question_text(question))
        text = f"{split[0]}\n{ANSWER[language]}{gold[0]}"
        return question, Message("assistant", (TextPart(text),))

    def _turns(self, sample: Sample) -> list[tuple[Message, Message]]:
        turns = questions_of(sample)[:MOST_TURNS]
        if not turns:
            raise RowError("no question with an answer")
        return turns

    def _is_long(self, sample: Sample) -> bool:
        return dice_of(sample, "form", self.seed).random() < self.long_share


def gold_of(sample: Sample, answer: Message, number: int) -> list[str]:
    """Return what is known to be right: the answers of the row for its first turn, else what stands there."""
    split = split_answer(_text(answer))
    told = split[1] if split is not None else _text(answer)
    return [*sample.answers, told] if number == 0 and sample.answers else [told]


def _text(answer: Message) -> str:
    return text_of(Sample("", (answer,)))


def _with_order(question: Message) -> Message:
    language = language_asked_in(question_text(question))
    return Message("user", (*question.parts, TextPart(f"\n{BRIEFLY[language]}")))


def _with_turns(sample: Sample, turns: Sequence[tuple[Message, Message]]) -> Sample:
    system = tuple(turn for turn in sample.messages if turn.role == "system")
    return replace(sample, messages=(*system, *(message for turn in turns for message in turn)))


def _places(question: Message) -> tuple[Part, ...]:
    return tuple(part for part in question.parts if not isinstance(part, TextPart))


def _without_places(question: Message) -> tuple[Part, ...]:
    return tuple(part for part in question.parts if isinstance(part, TextPart))
