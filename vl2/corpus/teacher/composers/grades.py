"""Grades: how a text is written, by what the filters of texts find in it."""

from __future__ import annotations

import random
from collections.abc import Mapping

from vl2.corpus.filters.code_mix import code_mix
from vl2.corpus.filters.repetition import repetition
from vl2.corpus.filters.truncation import truncation

BEST = 9
SHORT, LONG = 12, 1500  # characters of a text that says little, and of one that is padded


def compose_grade(material: Mapping[str, str], dice: random.Random) -> str:
    """Return a number from 0 to 10: less for what breaks off, repeats itself, mixes languages, or says little."""
    text = material["text"]
    if not text:
        return "0"
    repeated = repetition(text)
    faults = (
        3 * truncation(text)["breaks_off"],
        8 * max(repeated["lines"], repeated["words"], repeated["loop"]),
        2 * min(1.0, code_mix(text)["words"]),
        float(not SHORT <= len(text) <= LONG),
    )
    return str(max(0, round(BEST - sum(faults))))
