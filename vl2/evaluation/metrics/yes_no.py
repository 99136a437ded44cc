"""Yes or no (MME)."""

from __future__ import annotations

from typing import Literal

from vl2.evaluation.metrics.punctuation import strip_punctuation
from vl2.evaluation.verdict import Dialect

YesNo = Literal["Yes", "No", ""]
PREFIX = 4  # letters that lmms looks at


def read_yes_no(said: str, dialect: Dialect = "canonical") -> YesNo:
    """Return what was said, "" when it cannot be told: only one of the words may be there.

    lmms looks for them within the first four letters, so that "Not sure" is a no.
    """
    if dialect == "lmms":
        return _by_prefix(said.lower().strip().replace(".", ""))
    words = strip_punctuation(said.lower()).split()
    has_yes, has_no = "yes" in words, "no" in words
    if has_yes == has_no:
        return ""
    return "Yes" if has_yes else "No"


def _by_prefix(text: str) -> YesNo:
    if text in ("y", "n"):
        return "Yes" if text == "y" else "No"
    prefix = text[:PREFIX]
    if "yes" in prefix:
        return "Yes"
    return "No" if "no" in prefix else ""
