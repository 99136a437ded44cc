"""Plain reStructuredText: the paragraphs of a text as a reader sees them, without directives and roles."""

from __future__ import annotations

import re

_ROLE = re.compile(r":[\w:+-]{1,40}:`([^`]{1,400})`")
_LINK = re.compile(r"`([^`<]{1,200}?)\s*<[^`>]{1,400}>`_{0,2}")
_PHRASE = re.compile(r"``?([^`]{1,300})``?_{0,2}")
_EMPHASIS = re.compile(r"(?<![\w*])\*\*?(?=\S)([^*]{1,200})(?<=\S)\*\*?(?![\w*])")
_NOTE = re.compile(r"\s?\[[\w#*]{1,20}\]_|\|[\w ]{1,40}\|")
_NOTED = re.compile(
    r"(?:\b(?:in|see|by|of|from|and|to)|,)\s?\[[\w#*]{1,20}\]_"
)  # sentences that need what they refer to
_SENTENCE = re.compile(r"(?<=[.!?])\s(?=[A-Z])")
_ELSEWHERE = re.compile(r"sphx_glr|[Uu]ser [Gg]uide|^(?:Read more|See also|Refer to)\b")  # what leads to other pages
_RULER = re.compile(r"^[=\-~^\"'#*+.]{3,}$")


def plain_paragraphs(page: str) -> tuple[str, ...]:
    """Return the paragraphs that say a whole sentence; lists, tables, code and what leads up to them are left out."""
    found: list[str] = []
    for block in re.split(r"\n[ \t]*\n", page):
        lines = block.strip("\n").split("\n")
        is_text = not lines[0].startswith((" ", "\t", ".. ", "__")) and not lines[0].startswith(("* ", "- ", "|", "+-"))
        if not is_text or any(_RULER.match(line) for line in lines) or re.match(r"(?:\d{1,2}|[a-z#])[.)] ", lines[0]):
            continue
        joined = " ".join(" ".join(lines).split())
        if _NOTED.search(joined):
            continue
        said = " ".join(one for one in _SENTENCE.split(_plain(joined)) if not _ELSEWHERE.search(one))
        if said.endswith((".", "!", "?", ")")) and " " in said:
            found.append(said)
    return tuple(found)


def _plain(said: str) -> str:
    said = _ROLE.sub(_role, said)
    said = _NOTE.sub("", _LINK.sub(r"\1", said))
    said = _EMPHASIS.sub(r"\1", _PHRASE.sub(r"\1", said))
    return re.sub(r"(\w)- (\w)", r"\1-\2", re.sub(r" ([.,;])", r"\1", said)).strip()


def _role(found: re.Match[str]) -> str:
    if found.group(0).startswith(":math:"):
        return f"${found.group(1)}$"
    named = found.group(1).partition(" <")[0].strip()
    return named.rpartition(".")[2] if named.startswith(("~", "!")) else named
