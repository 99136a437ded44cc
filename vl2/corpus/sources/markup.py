"""Markup: HTML of strangers before Python's parser sees it, which takes quadratic time on tags that never close."""

from __future__ import annotations


def tamed(markup: str) -> str:
    """Return HTML without comments, in which each `<` that no `>` follows before the next one is text."""
    first, *others = markup.split("<!--")
    shown = first + "".join(other.partition("-->")[2] for other in others)
    first, *others = shown.split("<")
    return first + "".join(f"<{other}" if ">" in other else f"&lt;{other}" for other in others)
