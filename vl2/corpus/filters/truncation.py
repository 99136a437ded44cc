"""Truncation: an answer that stops in the middle, as at a limit of tokens."""

from __future__ import annotations

import re

from vl2.corpus.filters.tokens import tokens_of

LONG_SENTENCE = 40  # tokens; a caption without a full stop is shorter
SHORT_LINE = 4  # tokens: a heading, a name, an item

_ENDS = tuple(".!?。！？…～~`|*》」』】”\"’')）]}>☆★♪")
_STOPS = re.compile(r"[.!?]['\")\]]*(?=\s|$)|[。！？…]")
_OPEN_ENDS = tuple(",，、;；:：-–—(（[【{《「『“+=/\\&·")
_GOES_ON = frozenset(
    """a an the and or but nor so because although while whereas which who whom whose that than of to in on at by for
    with from into onto over under between among through during within without is are was were be been being am has
    have had having do does did will would can could should may might must shall not very more most less such as if when
    where its his her their our my your this these those there it's they we i he she it each every some any also
    both either neither including appears seems""".split()
)
_GOES_ON_ZH = re.compile(
    r"(?:的|地|得|和|与|及|或|而|但|但是|因为|所以|如果|虽然|以及|并|并且|在|从|向|对|把|被|将|为|是|有|这|那|其|该|"
    r"一个|一种|一些|一条|一张|可能|可以|能够|正在|非常|很|更|最|不|没有|位于|由于|通过|关于|例如|比如|包括|还|也|都|就)$"
)
_PAIRS = {"(": ")", "（": "）", "[": "]", "【": "】", "{": "}", "《": "》", "「": "」", "『": "』", "“": "”"}
_ITEM = re.compile(r"\s*(?:[-*•·]|\d{1,3}[.)、．]|[（(]\d{1,3}[)）])\s*")
_BARE_ITEM = re.compile(r"(?:^|\n)[ \t]*(?:[-*•]|\d{1,3}[.)、．]|#{1,6})$")
_WITHIN_PROSE = re.compile(r"`+[^`\n]*`+|<[^<>\n]*>_*|\(?https?://\S+|\$[^$\n]*\$")  # code, addresses, formulas
_START_OF_CODE = re.compile(r"\s*(?:[|<\\$#`]|(?:def|class|import|from|return|print)\b)|.*;\s*$")
_SYMBOL = re.compile(r"[=<>{}|$\\]")
_WORDS_A_SYMBOL = 8  # in prose there are more of them


def truncation(text: str) -> dict[str, float]:
    """Return whether a text breaks off, 0 or 1, and whether something in it was opened and not closed, 0 or 1."""
    text = text.rstrip()
    return {"breaks_off": float(bool(text) and _breaks_off(text)), "left_open": float(_is_left_open(text))}


def _breaks_off(text: str) -> bool:
    if _BARE_ITEM.search(text):
        return True
    if text.endswith(_OPEN_ENDS):
        return _is_prose(_last_line(text)) or text.endswith((",", "，", "、", "("))
    if text.endswith(_ENDS):
        return False
    line = _last_line(text)
    if not _is_prose(line):
        return False
    tokens = tokens_of(line)
    if len(tokens) > 1 and (tokens[-1] in _GOES_ON and not text.endswith(tokens[-1].upper()) or _ends_on_zh(line)):
        return True
    return _is_unfinished_prose(text, line, len(tokens))


def _is_prose(line: str) -> bool:
    """Tell whether a line is neither code nor a formula nor a row of a table."""
    if _START_OF_CODE.match(line):
        return False
    plain = _WITHIN_PROSE.sub(" ", line)
    return len(_SYMBOL.findall(plain)) * _WORDS_A_SYMBOL <= len(tokens_of(plain))


def _is_unfinished_prose(text: str, line: str, num_tokens: int) -> bool:
    """Tell whether the last sentence lacks the full stop that those before it have."""
    if num_tokens > LONG_SENTENCE:
        return True
    lines = [other for other in text.splitlines() if other.strip()]
    stops = list(_STOPS.finditer(line))
    if stops:  # sentences before it on its own line
        return bool(tokens_of(line[stops[-1].end() :]))
    if _ITEM.match(line):  # items: as those before them end
        items = [other for other in lines[:-1] if _ITEM.match(other)]
        ended = sum(bool(_STOPS.search(item.rstrip()[-1:])) for item in items)
        return len(items) > 0 and ended == len(items)
    paragraphs = [other.rstrip() for other in lines[:-1] if len(tokens_of(other)) > SHORT_LINE]
    return num_tokens > SHORT_LINE and bool(paragraphs) and all(other.endswith(_ENDS) for other in paragraphs)


def _ends_on_zh(line: str) -> bool:
    return len(line) > 8 and _GOES_ON_ZH.search(line) is not None


def _is_left_open(text: str) -> bool:
    if text.count("```") % 2 or text.count("$$") % 2:
        return True
    if "```" in text or "$" in text:  # brackets of code and formulas are their own affair
        return False
    text = _ITEM_NUMBER.sub("", text)
    return any(text.count(opened) > text.count(closed) for opened, closed in _PAIRS.items())


_ITEM_NUMBER = re.compile(r"(?m)^[ \t]*[a-z\d]{1,3}\)")


def _last_line(text: str) -> str:
    return text.rsplit("\n", 1)[-1]
