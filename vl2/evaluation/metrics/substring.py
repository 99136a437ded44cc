"""An accepted answer stands somewhere in what was said (OCRBench)."""

from __future__ import annotations

from collections.abc import Sequence

from vl2.evaluation.verdict import Dialect

# ASCII in the width of Chinese characters, and the space beside it
_FULL_WIDTH = {0xFF01 + place: 0x21 + place for place in range(94)} | {0x3000: 0x20}


def contains_gold(said: str, golds: Sequence[str], *, is_formula: bool, dialect: Dialect = "canonical") -> float:
    """Return 1 when a gold is part of the answer, else 0.

    Letter case does not count, and a new line is a space. In formulas case counts and no space does. lmms reads letters
    of full width as plain ones, but not in formulas.
    """
    answer = _plain(said, is_formula, dialect)
    return float(any(_plain(gold, is_formula, dialect) in answer for gold in golds))


def _plain(text: str, is_formula: bool, dialect: Dialect) -> str:
    if is_formula:
        return text.strip().replace("\n", " ").replace(" ", "")
    if dialect == "lmms":
        text = text.translate(_FULL_WIDTH)
    return text.lower().strip().replace("\n", " ")
