"""Style sheet: of a large one, the rules that a page uses, as it is shown in a window of `WINDOW` pixels or more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

WINDOW = 992
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MEDIA = re.compile(r"@media\s*\(min-width:\s*(\d+)px\)$")
_STATE = re.compile(
    r":(?!not|:?before|:?after|first-child|last-child|nth)|\[|-webkit-|-moz-|-ms-|was-validated|\.modal"
)
_CLASS, _ID = re.compile(r"\.([\w-]+)"), re.compile(r"#([\w-]+)")
_TAG = re.compile(r"(?:^|[\s>+~(])([a-z][a-z0-9]*)")
_LOST = re.compile(r"(?:^|(?<=;))\s*(?:-webkit-|-moz-|-ms-|-o-|animation|transition)[\w-]*\s*:[^;]*(?:;|$)")
_FONTS = re.compile(r'(font-family:\s*)"Nunito"[^;]*')  # a long list of what a machine may have
_PLAIN_FONTS = r"\1Nunito, sans-serif"
Rule = tuple[tuple[str, ...], str]


def prune(styles: str, markup: str) -> str:
    """Return the rules whose classes, ids and tags stand in some HTML, without what moves and without states."""
    classes = {one for told in re.findall(r'class="([^"]*)"', markup) for one in told.split()}
    ids = set(re.findall(r'\bid="([^"]*)"', markup))
    tags = {"html", "body", *re.findall(r"<([a-z][a-z0-9]*)", markup)}
    kept = []
    for selectors, body in _rules(styles):
        used = [one for one in selectors if set(_CLASS.findall(one)) <= classes and set(_TAG.findall(one)) <= tags
                and set(_ID.findall(one)) <= ids]  # fmt: skip
        if used:
            kept.append(f"{', '.join(used)} {{ {body} }}")
    return "\n".join(kept)


@lru_cache(maxsize=4)
def _rules(styles: str) -> tuple[Rule, ...]:
    return tuple(_read(_COMMENT.sub("", styles)))


def _read(styles: str) -> Iterator[Rule]:
    """Yield selectors and declarations; those for wide windows as if they were for all, others left out."""
    at = 0
    while (opened := styles.find("{", at)) >= 0:
        head = styles[at:opened].rpartition(";")[2].strip()
        closed = _end(styles, opened)
        body, at = styles[opened + 1 : closed], closed + 1
        media = _MEDIA.match(head)
        if media and int(media.group(1)) <= WINDOW:
            yield from _read(body)
        elif not head.startswith("@"):
            told = " ".join(_FONTS.sub(_PLAIN_FONTS, _LOST.sub("", body)).split()).rstrip(";")
            selectors = tuple(one for one in (" ".join(part.split()) for part in head.split(",")) if _is_still(one))
            if told and selectors:
                yield selectors, told + ";"


def _is_still(selector: str) -> bool:
    return bool(selector) and not _STATE.search(selector)


def _end(styles: str, opened: int) -> int:
    depth = 0
    for found in re.compile(r"[{}]").finditer(styles, opened):
        depth += 1 if found.group() == "{" else -1
        if not depth:
            return found.start()
    return len(styles)
