"""Documents: questions of a course on a document: what a thing is, what it does, what a section says, which number."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vl2.corpus.filters.language import main_language

MOST_QUESTIONS = 5
SKIPPED = 0.4  # of sentences with a number: others ask for more than a number
SHORTEST, LONGEST = 25, 320  # characters of a sentence in English; in Chinese a third of it
_STOP = re.compile(r"(?<=[.!?])\s+(?=[A-Z“\"])|(?<=[。！？])")
_HEADING = re.compile(r"^#{1,6}\s*(?:\d+(?:\.\d+)*\.?\s*|第\s*\d+\s*章\s*)?(?P<name>.{2,60})$")
_COMMON_HEADINGS = frozenset(
    ("overview", "options", "example", "examples", "description", "概述", "选项", "概览", "示例")
)
_ASIDE = re.compile(r"^(?:Figure|Fig\.|Table|图|表)\s*\d|^[-→•]|https?://")
_REFERENCE = re.compile(
    r"\bsee (?:also )?(?:the )?(?:section|chapter|第)|described in|第 ?[\d.]+ ?[节章]", re.IGNORECASE
)
_SUBJECT = r"(?P<subject>(?:The |A |An )?[A-Z“a-z][\w“”\"'/+-]*(?: [\w“”\"'/+-]+){0,4}?)"
_IS = re.compile(rf"^{_SUBJECT} (?:is|are) (?:an? |the |used |one of |designed |intended )(?P<rest>.+)$")
_DOES = re.compile(
    rf"^{_SUBJECT} (?P<verb>allows?|lets?|enables?|contains?|provides?|offers?|shows?|opens?|creates?|produces?"
    r"|consists? of|refers? to|means?|determines?|specif(?:y|ies)|removes?|adds?) (?P<rest>.+)$"
)
_NO_SUBJECT = frozenset(
    """this that these those it they he she we you i there here what which who if when while as so but and or however
    then thus for in on at by with to from of not no all each every some any such one both many most another other above
    below following first second next last only please default resulting same""".split()
)
_IS_ZH = re.compile(
    r"^(?P<subject>[^，。；：（）]{2,24}?)(?P<verb>是指|是一|是用|用于|用来|可用于)(?P<rest>[^。]{6,120})。$"
)
_NO_SUBJECT_ZH = re.compile(
    r"^[这那它其您你我他此该如当因由为但所以而且若在从对把将并则也就]|[的了着是有用适应使作专通利采引运只仅也都会能可被常]$|^[前后]者|不|这|那|它|您|你|如果"
)
_AIM = re.compile(r"^To (?P<aim>(?!do\b)[a-z][^,.]{6,70}), .+$")
_CASE = re.compile(r"^If (?P<case>(?:you|the|a|an|your) [^,.]{6,80}), .+$")
_AIM_ZH = re.compile(r"^(?:要想|为了|想要|若要|要)(?P<aim>[^，。]{4,30})，.+$")
_CASE_ZH = re.compile(r"^如果(?P<case>[^，。]{4,30})，.+$")
_TERM = re.compile(r"“(?P<term>[^”]{3,40})”")
_NUMBER = re.compile(r"(?<![\w.,:/-])\d{1,6}(?:\.\d+)?(?![\w:/-]|[.,]\d)")
_FIRST_LINES = ("What does the section “{name}” say first?", "How does the section “{name}” begin?",
                "What does the document say at the start of “{name}”?")  # fmt: skip
_FIRST_LINES_ZH = ("“{name}”一节开头说了什么？", "文档在“{name}”一节首先讲了什么？")


@dataclass(frozen=True)
class Section:
    """A heading without its number, empty above the first, and the sentences below it."""

    name: str
    sentences: tuple[str, ...]


def compose_document_questions(material: Mapping[str, str], dice: random.Random) -> str:
    """Return a JSON list of questions, answered in sentences of the document; empty where it holds none of use."""
    document = material["document"]
    is_chinese = main_language(document) == "zh"
    asked: dict[str, str] = {}  # by answer, as each is asked for once; what is asked later is more exact
    for section in sections_of(document):
        for question, answer in _ask_zh(section, dice) if is_chinese else _ask(section, dice):
            asked[answer] = question
    if not asked:
        return ""
    picked = sorted(dice.sample(range(len(asked)), min(len(asked), dice.randint(3, MOST_QUESTIONS))))
    kept = [list(asked.items())[place] for place in picked]
    return json.dumps([{"question": question, "answer": answer} for answer, question in kept], ensure_ascii=False)


def sections_of(document: str) -> list[Section]:
    """Return the parts of a document; captions of figures and items of lists are no sentences of it."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    about = ""  # the last heading that tells what it is about
    for line in map(str.strip, document.splitlines()):
        if found := _HEADING.match(line):
            name = found["name"].strip()
            is_common = name.lower() in _COMMON_HEADINGS and bool(about)
            parts.append((f"{about}: {name}" if is_common else name, []))
            about = about if is_common else name
        elif line and not _ASIDE.search(line):
            parts[-1][1].extend(said.strip() for said in _STOP.split(line) if _is_whole(said.strip()))
    return [Section(name, tuple(sentences)) for name, sentences in parts if sentences]


def _is_whole(said: str) -> bool:
    if _REFERENCE.search(said):
        return False
    if said.endswith("。"):
        return SHORTEST // 3 <= len(said) <= LONGEST // 2
    return said.endswith(".") and SHORTEST <= len(said) <= LONGEST and (said[:1].isupper() or said[:1] == "“")


def _ask(section: Section, dice: random.Random) -> Iterator[tuple[str, str]]:
    if section.name and main_language(section.name) == "en":
        yield dice.choice(_FIRST_LINES).format(name=section.name), section.sentences[0]
    for said in section.sentences:
        if main_language(said) != "en":
            continue
        if (found := _IS.match(said)) and _is_subject(found["subject"]):
            verb = "are" if re.match(rf"{re.escape(found['subject'])} are\b", said) else "is"
            subject = _within(found["subject"])
            yield dice.choice((f"What {verb} {subject}?", f"According to the document, what {verb} {subject}?")), said
        elif (found := _DOES.match(said)) and _is_subject(found["subject"]):
            does = "does" if found["verb"].split()[0].endswith("s") else "do"
            yield f"What {does} {_within(found['subject'])} do, according to the document?", said
        elif found := _AIM.match(said):
            yield f"How does one {found['aim']}, according to the document?", said
        elif found := _CASE.match(said):
            yield f"What does the document say for the case that {found['case']}?", said
        elif gap := _with_gap(said, dice):
            yield f"Which number belongs in the gap? “{gap[0]}”", gap[1]
        elif found := _TERM.search(said):
            yield f"What is said of “{found['term']}”?", said


def _ask_zh(section: Section, dice: random.Random) -> Iterator[tuple[str, str]]:
    chinese = [said for said in section.sentences if main_language(said) == "zh"]
    if section.name and chinese and chinese[0] == section.sentences[0]:
        yield dice.choice(_FIRST_LINES_ZH).format(name=section.name), chinese[0]
    for said in chinese:
        found = _IS_ZH.match(said)
        if found and not _NO_SUBJECT_ZH.search(found["subject"]):
            subject = found["subject"].strip()
            yield (f"{subject}是什么？" if found["verb"].startswith("是") else f"{subject}有什么用途？"), said
        elif found := _CASE_ZH.match(said):
            yield f"如果{found['case']}，文档是怎么说的？", said
        elif found := _AIM_ZH.match(said):
            yield f"怎样才能{found['aim']}？", said
        elif gap := _with_gap(said, dice):
            yield f"空格处应填什么数字？“{gap[0]}”", gap[1]
        elif found := _TERM.search(said):
            yield f"关于“{found['term']}”，文档说了什么？", said


def _is_subject(subject: str) -> bool:
    words = subject.lower().split()
    words = words[1:] if words[0] in ("the", "a", "an") else words
    return bool(words) and not any(word.strip("“”\"'") in _NO_SUBJECT for word in words)


def _within(subject: str) -> str:
    """Return a subject as it stands within a sentence."""
    first = subject.split()[0]
    return subject[0].lower() + subject[1:] if first in ("The", "A", "An") else subject


def _with_gap(said: str, dice: random.Random) -> tuple[str, str] | None:
    """Return a sentence with a gap for its only number, and the number."""
    found = list(_NUMBER.finditer(said))
    if len(found) != 1 or dice.random() < SKIPPED:
        return None
    (one,) = found
    return f"{said[: one.start()]}____{said[one.end() :]}", one.group()
