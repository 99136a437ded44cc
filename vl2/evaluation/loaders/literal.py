"""Lists that benchmarks keep as texts, read without evaluating anything."""

from __future__ import annotations

import ast
import json
from itertools import accumulate
from typing import Any

MOST_LETTERS = 1 << 20
MOST_DEPTH = 32
MISSING = ("", "nan", "null")  # not "none": people answer that


def read_list(text: str) -> list[Any] | None:
    """Return the list that a text is, in JSON or as Python writes it; None when it is none."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")) or len(text) > MOST_LETTERS:
        return None
    if max(accumulate((letter == "[") - (letter == "]") for letter in text)) > MOST_DEPTH:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
    return found if isinstance(found, list) else None


def texts_of(value: Any) -> tuple[str, ...]:
    """Return the texts of a column: a list, a text that is one, or one text alone. What is missing is none.

    In a list only null is missing, unless it says nothing at all: ten people may well have answered "nan".
    """
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        texts = tuple(str(item) for item in value if item is not None and item == item)
        return texts if any(text.strip() for text in texts) else ()
    listed = read_list(str(value))
    return texts_of(listed) if listed is not None else (() if is_missing(value) else (str(value),))


def is_missing(value: Any) -> bool:
    """Tell whether a cell says nothing: harnesses write that in several ways."""
    return value is None or value != value or str(value).strip().lower() in MISSING
