"""Tables and documents: tables as HTML whose grid is whole, questions about pages that can be answered."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser

from vl2.core.sample import ImagePart, Message, Sample, TextPart
from vl2.corpus.hints import question_text, questions_of
from vl2.corpus.rewriting import dice_of
from vl2.corpus.step import text_of
from vl2.data.faults import RowError

QUESTIONS = (
    "Write this table as HTML.",
    "Convert the table to HTML.",
    "Which HTML gives this table?",
    "用 HTML 写出这个表格。",
)
MOST_SPAN = 100
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
        told = sample.provenance.get("num_cells")
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
    """Return the number of cells. Raises RowError unless it is one table whose rows fill one grid, spans counted."""
    reader = _TableReader()
    reader.feed(html)
    if reader.num_tables != 1 or not reader.rows:
        raise RowError("not one HTML table")
    covered: dict[int, int] = {}  # column to the rows that a span still takes of it
    widths: set[int] = set()
    for row in reader.rows:
        column, taken = 0, dict(covered)
        covered = {place: left - 1 for place, left in covered.items() if left > 1}
        for columns, rows in row:
            while column in taken:
                column += 1
            for _ in range(columns):
                if rows > 1:
                    covered[column] = rows - 1
                column += 1
        widths.add(max([column, *(place + 1 for place in taken)]))
    if len(widths) != 1 or covered:
        raise RowError("a table whose rows do not fill its grid")
    return sum(map(len, reader.rows))


class _TableReader(HTMLParser):
    """Collect the spans of cells, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.num_tables = 0
        self.rows: list[list[tuple[int, int]]] = []  # columns and rows of each cell

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count tables, rows and cells."""
        if tag == "table":
            self.num_tables += 1
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            if not self.rows:
                self.rows.append([])
            told = dict(attrs)
            self.rows[-1].append((_span(told.get("colspan")), _span(told.get("rowspan"))))


def _span(told: str | None) -> int:
    return min(MOST_SPAN, max(1, int(told))) if told is not None and told.isascii() and told.isdigit() else 1
