"""Tables and documents: tables as HTML whose grid is whole, questions about pages that can be answered."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from vl2.core.sample import ImagePart, Message, Sample, TextPart
from vl2.corpus.hints import question_text, questions_of
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sources.html_table import read_grid
from vl2.corpus.step import text_of
from vl2.data.faults import RowError

QUESTIONS = (
    "Write this table as HTML.",
    "Convert the table to HTML.",
    "Which HTML gives this table?",
    "用 HTML 写出这个表格。",
)
_UNANSWERABLE = re.compile(r"\bunanswerable\b|\bnot (?:mentioned|specified|stated|provided) in the\b", re.IGNORECASE)
_CODE = re.compile(r"```|^\s*(?:def|class|import|from) \w|[{};]\s*$|</\w+>", re.MULTILINE)  # Docmatix dropped code, too


@dataclass(frozen=True, kw_only=True)
class TableCode:
    """Rows whose answer is an HTML table."""

    most_cells: int = 400
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row with a question for its table. Raises RowError on a table whose rows differ in width."""
        html = text_of(sample, ("assistant",))
        cells = check_table(html)
        told = sample.provenance.get("cells")
        if isinstance(told, int) and told != cells:
            raise RowError("a table with another number of cells than its source tells")
        if cells > self.most_cells:
            raise RowError("a table with too many cells")
        if not sample.images:
            raise RowError("no picture of the table")
        question = dice_of(sample, "table_code", self.seed).choice(QUESTIONS)
        messages = (
            Message("user", (ImagePart(), TextPart(f"\n{question}"))),
            Message("assistant", (TextPart(html.strip()),)),
        )
        return replace(sample, messages=messages, images=sample.images[:1], answers=())


@dataclass(frozen=True, kw_only=True)
class DocumentQuestions:
    """Rows whose turns ask about pages or charts."""

    longest: int = 2000  # characters of an answer

    def change(self, sample: Sample) -> Sample:
        """Return the row with the turns that can be answered. Raises RowError when none is left."""
        turns = questions_of(sample)
        kept = [turn for turn in turns if self._is_usable(*turn)]
        if not kept:
            raise RowError("no question about the document that can be answered")
        if len(kept) == len(turns):
            return sample
        (question, answer), *others = kept
        opening = tuple(part for part in turns[0][0].parts if isinstance(part, ImagePart))
        text = TextPart(f"\n{question_text(question)}")
        first = (Message("user", (*opening, text)), answer) if opening else (question, answer)
        return replace(sample, messages=(*first, *(message for turn in others for message in turn)))

    def _is_usable(self, question: Message, answer: Message) -> bool:
        said = text_of(Sample("", (answer,)))
        asked = question_text(question)
        return bool(said and asked) and len(said) <= self.longest and not (
            _UNANSWERABLE.search(said) or _CODE.search(said) or _CODE.search(asked)
        )  # fmt: skip


def check_table(html: str) -> int:
    """Return the number of cells. Raises RowError unless it is one table whose cells fill one grid, spans counted."""
    if html.lower().count("<table") != 1:
        raise RowError("not one HTML table")
    grid = read_grid(html)
    if not grid.rows or not grid.is_whole:
        raise RowError("a table whose cells do not fill its grid")
    return grid.num_cells
