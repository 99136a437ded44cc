"""Truncation: an answer that stops in the middle, as at a limit of tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from vl2.corpus.filters.tokens import tokens_of
from vl2.corpus.filters.unclosed import is_unclosed

LONG_SENTENCE = 40  # tokens; a caption without a full stop is shorter
SHORT_LINE, SHORT_LINE_ZH = 4, 10  # tokens: a heading, a name, an item

_ENDS = tuple(".!?。！？…～~`|*》」』】”\"’')）]}>☆★♪")
# an initial or an abbreviation ends no sentence
_STOPS = re.compile(
    r"(?<!\b[A-Z])(?<!\b(?:Dr|Mr|Ms|St|No|vs|Co|pp))(?<!\b(?:Mrs|etc|Fig|Vol|e\.g|i\.e))[.!?]['\")\]]*(?=\s|$)|[。！？…]"
)
_OPEN_ENDS = tuple(",，、;；:：-–—(（[【{《「『“+=/\\&·")
_GOES_ON = frozenset(
    """a an the and or but nor so because although while whereas which who whom whose that than of to in on at by for
    with from into onto over under between among through during within without is are was were be been being am has
    have had having do does did will would can could should may might must shall not very more most less such as if when
    where its his her their our my your this these those there it's they we i he she it each every some any also
    both either neither including appears seems""".split()
)
# `What are you waiting for`, `Turn the lights on`: words that may end what begins so, or follow a verb in -ing
_PARTICLES = frozenset("in on off over up for about from with at to through under by".split())
_AFTER_ING = frozenset("in on off over up".split())
_LONGEST_WITH_PARTICLE = 7  # tokens
_TAKES_PARTICLE = frozenset(
    "what where who which things turn switch put let take leave keep bring move go come log sign plug tell".split()
)
_GOES_ON_ZH = re.compile(
    r"(?:的|地|得|和|与|及|或|而|但|但是|因为|所以|如果|虽然|以及|并|并且|在|从|向|对|把|被|将|为|是|有|这|那|其|该|"
    r"一个|一种|一些|一条|一张|可能|可以|能够|正在|非常|很|更|最|不|没有|位于|由于|通过|关于|例如|比如|包括|还|也|都|就|直到|直至|另一|"
    r"然后|接着|为了|或者|而且|不仅|随着|根据|按照|以便)$"
)
_PAIRS = {"(": ")", "（": "）", "[": "]", "【": "】", "{": "}", "《": "》", "「": "」", "『": "』", "“": "”"}
_ITEM = re.compile(r"\s*(?:[-*•·→]\s|\d{1,3}(?:\.\d{1,3}){0,4}[.)、．]|[（(]\d{1,3}[)）])\s*")
_ENDS_BY_RIGHT = re.compile(  # captions of figures, addresses, who said it
    r"^\s*(?:图|表|Figure|Fig\.|Table)\s?\d[\d.-]{0,12}\s|https?://(?!www\.$)\S{3,400}$"
    r"|(?:--|—|―)\s?[A-Z][\w .,'-]{2,60}$"
)
_BARE_ITEM = re.compile(r"(?:^|\n)[ \t]*(?:[-*•]|\d{1,3}[.)、．]|#{1,6})$")
_WITHIN_PROSE = re.compile(r"`+[^`\n]*`+|<[^<>\n]*>_*|\(?https?://\S+|\$[^$\n]*\$")  # code, addresses, formulas
_START_OF_CODE = re.compile(r"\s*(?:[|<\\$#`]|(?:def|class|import|from|return|print)\b)|.*;\s*$")
_SYMBOL = re.compile(r"[=<>{}|$\\]")
_RESULT = re.compile(  # `Answer: 24`, `Photo: Anna Berg`, `The time is 4:30`, `所以一共是24`
    r"\s*(?:[A-Z][a-z]{2,12}|答案?|结果|来源|摄影)\s?[:：]\s*\S{1,40}(?:\s+\S{1,40}){0,4}$"
    r"|[^，\n]{0,80}(?:\b(?:is|are|was|equals)\s|[=≈是为于])\s*[\dA-Z$€£-][\x21-\x7e]{0,20}(?: [a-z]{1,8})?$"
)
LONG_CLAUSES_ZH, CLAUSES_ZH = 20, 2  # characters and commas of a Chinese sentence that has a full stop
_COMMAS_ZH = re.compile(r"[，；]")
_NO_MARK = re.compile(r"(?<=\d)\"|[:;]-?[(\[]")
_WORDS_A_SYMBOL = 8  # in prose there are more of them


def truncation(text: str) -> dict[str, float]:
    """Return whether a text breaks off, 0 or 1, and whether something in it was opened and not closed, 0 or 1."""
    text = text.rstrip()
    return {"breaks_off": float(bool(text) and _breaks_off(text)), "left_open": float(_is_left_open(text))}


def _breaks_off(text: str) -> bool:
    if _BARE_ITEM.search(text) or is_unclosed(text):
        return True
    line = _last_line(text)
    if _ENDS_BY_RIGHT.search(line):
        return False
    if text.endswith(_OPEN_ENDS):
        return _is_prose(line) or text.endswith((",", "，", "、", "("))
    if text.endswith(_ENDS) or unicodedata.category(text[-1]) == "So" or not _is_prose(line):
        return False
    tokens = tokens_of(line)
    if _opens_at_end(line) or (len(tokens) > 1 and (_goes_on(tokens, text) or _ends_on_zh(line))):
        return True
    return _is_unfinished_prose(text, line, len(tokens))


def _is_prose(line: str) -> bool:
    """Tell whether a line is neither code nor a formula nor a row of a table."""
    if _START_OF_CODE.match(line) or " | " in line:
        return False
    plain = _WITHIN_PROSE.sub(" ", line)
    return len(_SYMBOL.findall(plain)) * _WORDS_A_SYMBOL <= len(tokens_of(plain))


def _is_unfinished_prose(text: str, line: str, num_tokens: int) -> bool:
    """Tell whether the last sentence lacks the full stop that those before it have, or that its length asks for."""
    marker = _ITEM.match(line)
    body = line[marker.end() :] if marker else line
    stops = list(_STOPS.finditer(body))
    rest = body[stops[-1].end() :] if stops else body
    if not tokens_of(rest) or _RESULT.match(rest):
        return False
    if stops or num_tokens > LONG_SENTENCE or _is_long_in_chinese(rest):
        return True
    lines = [other.rstrip() for other in text.splitlines()[:-1] if other.strip()]
    if marker:  # items: as those before them end
        alike = [other for other in lines if _ITEM.match(other)]
    else:
        alike = [other for other in lines if len(tokens_of(other)) > SHORT_LINE]
        if num_tokens <= (SHORT_LINE if line.isascii() else SHORT_LINE_ZH):
            return False
    return bool(alike) and all(other.endswith(_ENDS) for other in alike)


def _is_long_in_chinese(sentence: str) -> bool:
    return len(_COMMAS_ZH.findall(sentence)) >= CLAUSES_ZH and len(tokens_of(sentence)) >= LONG_CLAUSES_ZH


def _goes_on(tokens: Sequence[str], text: str) -> bool:
    """Tell whether the last word wants another one behind it."""
    last = tokens[-1]
    if last not in _GOES_ON or text.endswith(last.upper()) or not text[: -len(last)].endswith((" ", "\n")):
        return False
    if last == "can" and len(tokens) == len(("trash", "can")):
        return False
    if last in _AFTER_ING and tokens[-2].endswith("ing"):
        return False
    is_short = len(tokens) <= _LONGEST_WITH_PARTICLE
    return not (is_short and last in _PARTICLES and tokens[0] in _TAKES_PARTICLE)


def _ends_on_zh(line: str) -> bool:
    return len(line) > 8 and _GOES_ON_ZH.search(line) is not None


def _opens_at_end(line: str) -> bool:
    """Tell whether the last bracket or quotation of a line is open; inches and `:(` are none."""
    plain = _NO_MARK.sub("", line)
    return plain.count('"') % 2 == 1 or any(plain.rfind(one) > plain.rfind(other) for one, other in _PAIRS.items())


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
