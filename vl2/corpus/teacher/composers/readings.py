"""Readings: what an engine read, corrected by the same text as it is known from elsewhere, or only tidied."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from vl2.corpus.pipelines.spelling import error_rate

UNREADABLE = "UNREADABLE"
MOST_ERRORS = 0.35  # a character, of a reading that is still taken for one of the known text
_BROKEN = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
_HAN = "[\u3400-\u9fff，。、；：！？]"


def compose_reading(material: Mapping[str, str], dice: random.Random) -> str:
    """Return the text as it ought to be read; UNREADABLE where the reading is of another text than the known one."""
    text = material["text"]
    known = material["document"]
    if not known:
        return tidied(text)
    return known if error_rate(known, text) <= MOST_ERRORS else UNREADABLE


def tidied(text: str) -> str:
    """Return a reading without blanks within Chinese, doubled blanks, and words that were cut at the end of a line."""
    text = _BROKEN.sub("", text)
    lines = (re.sub(rf"(?<={_HAN})[ \t]+(?={_HAN})", "", line) for line in text.splitlines())
    return "\n".join(re.sub(r"[ \t]+", " ", line).strip() for line in lines).strip()
