"""Unclosed: code, JSON, markup, tables and formulas that stop before what they opened is closed."""

from __future__ import annotations

import re

_CLOSED_LATER = ("table", "tbody", "html", "body", "ul", "ol", "div", "script", "style", "pre", "svg", "form", "nav")
_TAG = re.compile(rf"<(/?)({'|'.join(_CLOSED_LATER)})\b[^<>]*>", re.IGNORECASE)
_LOOKS_LIKE_CODE = re.compile(
    r"^[ \t]*(?:[\[{]\s*(?:[\"'\[{\d-]|$)"
    r"|(?:def|class|import|from \w+ import|for|while|if|return|print|with)\b.*[:()=]"
    r"|SELECT\b|#include\b|\w[\w.\[\]]* = |(?:const|let|var) )|\\(?:begin|frac|int|sum|left|sqrt)\b",
    re.MULTILINE,
)
_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.){0,400}\"|'(?:[^'\\\n]|\\.){0,400}'")
_ENDS_OPEN = re.compile(
    r"(?:[\w\])\"'}]\s*(?:[-+*/|&<>=!^_]?=|[+*/^_&]|\s[<>-])|\b(?:and|or|not|in|is|WHERE|FROM|AND))$"
)
_ROW = re.compile(r"\s*\|")
_SIGN_OF_FORMULA = re.compile(r"[\\=^_]")  # a restaurant's price may be $$
_ENTITY = re.compile(r"\\[\[\]{}()]")


def is_unclosed(text: str) -> bool:
    """Tell whether a structured text breaks off: by its fences, marks of boxes, tags, brackets or cells."""
    if text.count("```") % 2 or (text.count("$$") % 2 and _SIGN_OF_FORMULA.search(text[text.rfind("$$") :])):
        return True
    if any(text.count(f"<|{name}|>") > text.count(f"<|/{name}|>") for name in ("ref", "det")):
        return True
    return _has_open_tag(text) or _has_short_row(text) or _is_open_code(text)


def _has_open_tag(text: str) -> bool:
    depths: dict[str, int] = {}
    for slash, name in _TAG.findall(text):
        depths[name.lower()] = depths.get(name.lower(), 0) + (-1 if slash else 1)
    return any(depth > 0 for depth in depths.values()) or (bool(depths) and text.rfind("<") > text.rfind(">"))


def _has_short_row(text: str) -> bool:
    """Tell whether the last row of a table with bars has fewer cells than the row before it, or no end."""
    last_two = text.rsplit("\n", 2)[-2:]
    if len(last_two) < 2 or not all(map(_ROW.match, last_two)):
        return False
    before, last = last_two
    is_barred = before.rstrip().endswith("|")
    return last.count("|") < before.count("|") or (is_barred and not last.rstrip().endswith("|"))


def _is_open_code(text: str) -> bool:
    """Tell whether code, JSON or a formula ends with an operator, or with more brackets opened than closed."""
    if "```" in text or not _LOOKS_LIKE_CODE.search(text):
        return False
    if _ENDS_OPEN.search(text[-40:]):
        return True
    plain = _ENTITY.sub(" ", _STRING.sub(" ", text))
    opened, closed = ([sum(map(plain.count, marks)) for marks in pair] for pair in (("([", "{"), (")]", "}")))
    # together, for an interval may be [0, 1)
    return any(one > other for one, other in zip(opened, closed, strict=True)) or (
        plain.count("\\begin{") > plain.count("\\end{")
    )
