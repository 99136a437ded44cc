"""Text only: conversations without pictures, so that the language model forgets nothing; final answers in one form."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from vl2.core.sample import Message, Sample, TextPart
from vl2.corpus.filters.language import main_language
from vl2.corpus.pipelines.regenerate import ANSWER
from vl2.corpus.step import text_of
from vl2.data.faults import RowError

_CALCULATOR = re.compile(r"<<[^<>\n]{1,80}>>")  # GSM8K's notes to its calculator
_GSM8K = re.compile(r"(?:^|\n)####\s*(?P<said>[^\n]{1,120})\s*\Z")
_METAMATH = re.compile(r"(?:^|\n)The answer is:\s*(?P<said>[^\n]{1,120})\s*\Z")
_BOXED = re.compile(r"\\boxed\{(?P<said>[^{}]{1,120})\}[^\n]{0,3}\s*\Z")


@dataclass(frozen=True, kw_only=True)
class TextOnly:
    """What a row may hold."""

    most_characters: int = 16_000

    def change(self, sample: Sample) -> Sample:
        """Return the row with its final answers last, each on a line of its own. Raises RowError on other rows."""
        if sample.images:
            raise RowError("a row with pictures")
        if len(text_of(sample)) > self.most_characters:
            raise RowError("too long a text")
        messages = tuple(_answer_last(turn) if turn.role == "assistant" else turn for turn in sample.messages)
        return sample if messages == sample.messages else replace(sample, messages=messages)


def with_final_answer(text: str) -> str:
    """Return a solution whose answer GSM8K, MetaMath or `boxed` mark, with the answer as its last line."""
    text = _CALCULATOR.sub("", text)
    for pattern in (_GSM8K, _METAMATH):
        found = pattern.search(text)
        if found is not None:
            return _joined(text[: found.start()], found["said"])
    found = _BOXED.search(text)
    return _joined(text, found["said"]) if found is not None else text


def _joined(before: str, said: str) -> str:
    language = "zh" if main_language(before) == "zh" else "en"
    return f"{before.rstrip()}\n{ANSWER[language]}{said.strip()}".lstrip()


def _answer_last(turn: Message) -> Message:
    parts = tuple(TextPart(with_final_answer(p.text)) if isinstance(p, TextPart) else p for p in turn.parts)
    return turn if parts == turn.parts else Message(turn.role, parts)
