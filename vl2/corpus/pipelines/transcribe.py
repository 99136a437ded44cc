"""Transcribe: reading tasks with many wordings: formulas as LaTeX, lines of text, pages (section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from vl2.core.sample import ImagePart, Message, Sample, TextPart
from vl2.corpus.filters.language import main_language
from vl2.corpus.hints import ocr_of
from vl2.corpus.pipelines.spelling import error_rate
from vl2.corpus.rewriting import dice_of
from vl2.corpus.step import text_of
from vl2.data.faults import RowError
from vl2.processor.marks import ADDED_IN_ORDER

QUESTIONS = {
    ("latex", "en"): ("Write the formula as LaTeX.", "What is this formula in LaTeX?", "Convert the picture to LaTeX."),
    ("latex", "zh"): ("用 LaTeX 写出这个公式。", "把图中的公式转换成 LaTeX。"),
    ("text", "en"): ("Read the text.", "What is written in the picture?", "Transcribe the text of this image."),
    ("text", "zh"): ("读出图中的文字。", "图片里写了什么？", "请识别图中的文字。"),
    ("page", "en"): ("Read the whole page.", "Transcribe this document, line by line.", "Give the text of this page."),
    ("page", "zh"): ("读出整页文字。", "请逐行识别这份文档。"),
}
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([A-Za-z]+\*?)\}")
_SIZED = re.compile(r"\\(left|right)(?![A-Za-z])")


@dataclass(frozen=True, kw_only=True)
class Transcribe:
    """What is read."""

    kind: Literal["latex", "text", "page"] = "text"
    chinese_share: float = 0.3  # of questions about formulas, which have no language
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row as one reading task. Raises RowError on a text that cannot be one."""
        said = text_of(sample, ("assistant",))
        if not sample.images or not said:
            raise RowError("no picture, or no text of it")
        if any(mark in said for mark in ADDED_IN_ORDER):
            raise RowError("a text with marks of its own")
        if self.kind == "latex":
            check_latex(said)
        dice = dice_of(sample, "transcribe", self.seed)
        chinese = main_language(said) == "zh" if self.kind != "latex" else dice.random() < self.chinese_share
        question = dice.choice(QUESTIONS[self.kind, "zh" if chinese else "en"])
        asked = (*[ImagePart()] * len(sample.images), TextPart(f"\n{question}"))
        return replace(sample, messages=(Message("user", asked), Message("assistant", (TextPart(said),))), answers=())


def check_latex(formula: str) -> None:
    """Raise RowError on a formula whose braces, environments or sized brackets do not pair."""
    depth = 0
    for found in _BRACE.finditer(formula):
        depth += {"{": 1, "}": -1}.get(found.group(), 0)
        if depth < 0:
            break
    if depth:
        raise RowError("a formula whose braces do not pair")
    opened: list[str] = []
    for kind, name in _ENVIRONMENT.findall(formula):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            raise RowError("a formula whose environments do not pair")
    sized = [found.group(1) for found in _SIZED.finditer(formula)]
    if opened or sized.count("left") != sized.count("right"):
        raise RowError("a formula whose environments or brackets do not pair")


def reading(sample: Sample) -> dict[str, float]:
    """Return how far a row's text is from what a second engine read, in errors a character; nothing without one.

    A row of which the engine read nothing is all errors.
    """
    if not isinstance(sample.provenance.get("ocr"), list):
        return {}
    return {"error": error_rate(text_of(sample, ("assistant",)), "\n".join(ocr_of(sample)))}
