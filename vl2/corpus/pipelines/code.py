"""Code: the program in an answer, and how a row with a picture and its program is put."""

from __future__ import annotations

import re

from vl2.core.sample import ImagePart, Message, Sample, TextPart
from vl2.corpus.step import text_of

_FENCE = re.compile(r"```[ \t]*([\w+#-]*)[ \t]*\r?\n(.*?)(?:\n```|\Z)", re.DOTALL)


def code_of(sample: Sample) -> str:
    """Return the program of a row's answers: what stands in its longest fence, or all of it without one."""
    said = text_of(sample, ("assistant",))
    fenced = [found.group(2) for found in _FENCE.finditer(said)]
    return max(fenced, key=len) if fenced else said


def count_lines(code: str) -> int:
    """Return the lines of Python that are neither empty nor a comment."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in code.splitlines())


def ask_for_code(question: str, language: str, code: str) -> tuple[Message, ...]:
    """Return a picture's question, answered by a fenced program."""
    asked = Message("user", (ImagePart(), TextPart(f"\n{question}")))
    return (asked, Message("assistant", (TextPart(f"```{language}\n{code.strip()}\n```"),)))
