"""Draw table: a row that tells of a table gets its picture, and its HTML or questions as what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vl2.core.sample import ImageSource, Sample
from vl2.corpus.drawing.table.data import FIELD, table_of
from vl2.corpus.drawing.table.draw import draw_table, pick_table_look
from vl2.corpus.drawing.table.questions import ask_table, lines_of
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sources.wordings import TABLE, in_turns
from vl2.data.faults import RowError

FEWEST_QUESTIONS, MOST_QUESTIONS = 3, 6


@dataclass(frozen=True, kw_only=True)
class DrawTable:
    """Tables as pictures; `faces` of vl2.corpus.drawing.chart.faces are for English ones."""

    answer: Literal["html", "questions"] = "html"
    faces: tuple[str, ...] = ("dejavu", "dejavu_serif", "stix")
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row with its table drawn. Raises RowError when it is too large, or little can be asked."""
        table = table_of(sample)
        dice = dice_of(sample, f"draw_table {self.answer}", self.seed)
        png, width, height = draw_table(table, pick_table_look(table, dice, self.faces))
        told = {name: value for name, value in sample.provenance.items() if name != FIELD}
        told |= {"document": "\n".join(lines_of(table)), "cells": sum(map(len, table.rows))}
        pairs = [(TABLE, table.html())]
        if self.answer == "questions":
            pairs = ask_table(table, dice, dice.randint(FEWEST_QUESTIONS, MOST_QUESTIONS))
            if len(pairs) < FEWEST_QUESTIONS:
                raise RowError("a table of which little can be asked")
        first = pairs[0][1]
        return replace(
            sample, messages=in_turns(pairs), images=(ImageSource(data=png, width=width, height=height),),
            answers=tuple(dict.fromkeys((first, first.replace(",", "")))) if self.answer == "questions" else (),
            provenance=told,
        )  # fmt: skip
