"""Markup: what is left of a page within a text when nobody sees its tags."""

from __future__ import annotations

import re

_HIDDEN = ("style", "script")  # elements whose content nobody reads
_TAG = re.compile(r"<[^<>]{1,2000}>")


def without_markup(text: str) -> str:
    """Return a text without tags and the content of those that show none; as it is when none of them closes."""
    if "</" not in text:
        return text
    for name in _HIDDEN:
        first, *others = text.split(f"<{name}")
        text = first + " ".join(one.partition(f"</{name}")[2] for one in others)
    return _TAG.sub(" ", text)
