"""The punctuation rule that visual question answering scores with."""

from __future__ import annotations

import re

MARKS = ';/[]"{}()=+\\_-><@`,?!'
MOST_PERIODS = 32  # what the released scripts take out of one answer
DIGITS_COMMA = re.compile(r"\d,\d")
LONE_PERIOD = re.compile(r"(?<!\d)\.(?!\d)")  # neither before nor behind a digit
OPEN_PERIOD = re.compile(r"\.(?!\d)")  # not before a digit


def strip_punctuation(text: str, period: re.Pattern[str] = LONE_PERIOD) -> str:
    """Delete or blank punctuation.

    A mark is deleted where it touches a space somewhere, or where the text has a comma between digits; else it becomes
    a space. Of periods those go that `period` finds.
    """
    has_number = DIGITS_COMMA.search(text) is not None
    stripped = text
    for mark in MARKS:
        if mark in text:
            is_loose = has_number or f"{mark} " in text or f" {mark}" in text
            stripped = stripped.replace(mark, "" if is_loose else " ")
    return period.sub("", stripped, count=MOST_PERIODS)
