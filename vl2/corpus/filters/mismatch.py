"""Mismatch: an answer that cannot be about its images, as far as that shows without a model."""

from __future__ import annotations

import re

from vl2.core.sample import BoxesPart, Sample, TextPart
from vl2.corpus.filters.language import language, main_language
from vl2.corpus.grounding.kinds import load_kinds, words_of

_NOUN = r"(?:image|picture|photo(?:graph)?|screenshot|diagram|figure|chart|graph|painting|drawing|illustration)"
_SHOWN = (
    r"(?:above|below|provided|attached|shown|(?:that )?you(?:'ve| have)? (?:uploaded|sent|provided|attached|shared))"
)
_PLACE = r"(?:corner|part|side|centre|center|middle|background|foreground|left|right|top|bottom)"
# what an editor of images is told to do speaks of no image of the row
_OTHER = r"(?![- ](?:menu\w*|window|file|format|size|layer|processing|quality|editor|type|mode|canvas|data)\b)"
_WHICH = r"(?:first|second|left|right|upper|lower|bar|line|pie|given|attached|uploaded|provided)"
_PICTURE = re.compile(
    rf"\b(?:in|from|{_PLACE} of) (?:the|this|your) (?:{_WHICH} )?(?:image|picture|photo(?:graph)?|screenshot)\b{_OTHER}"
    rf"|\b(?:the|this|your) (?:{_WHICH} )?{_NOUN} (?:shows?|depicts?|displays?|illustrates?|{_SHOWN})\b"
    r"|\b(?:looking at|based on|according to|judging by|as (?:shown|seen|can be seen) (?:in|on))"
    rf" (?:the|this|your) (?:{_WHICH} )?{_NOUN}\b"
    r"|\b(?:pictured|shown|depicted) here\b"
    r"|(?<![地版意企蓝宏力])(?:图(?!书|案|纸|形|画|标|层|章)|图片|图像|照片|画面|图表|截图)"
    r"(?:中(?!心|国|华)|里|上(?!传|升)|显示|展示|所示)"
    r"|(?:如|上|这幅|这张|该)(?:图|照片|截图)(?!书|案|纸|标|层|章)|观察图|[从据](?:这张|这幅|该|上)?(?:图片|图表|照片|截图)",
    re.IGNORECASE,
)
_ORDINALS = {
    "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "both": 2, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "两": 2,
}  # fmt: skip
_OF_PICTURE = r"(?:image|picture|photo)(?:graph)?s?"
_NTH = re.compile(
    rf"\b(second|third|fourth|fifth|sixth|seventh|eighth|[2-9](?=nd|rd|th))(?:nd|rd|th)?\s+{_OF_PICTURE}\b"
    rf"|\b(?:image|picture|photo)\s+([2-9])\b|\b(both|all (?:two|three|four|five|six|seven|eight))\s+{_OF_PICTURE}\b"
    r"|第([二三四五六七八2-9])[张幅](?:图|照片|画)|(?<=图)([2-9])(?=[有是显展中里])",
    re.IGNORECASE,
)
# one picture that shows several; ASCII: between a Chinese character and a letter is the border of a word
_HOLDS_PICTURES = re.compile(
    r"\b(?:collage|gallery|album|walls?|panels?|comic|screen|slides?|page|exhibition|hang|selected)\b"
    r"|拼图|拼贴|画廊|墙上|相册|屏幕|漫画|展览|页面",
    re.IGNORECASE | re.ASCII,
)
_ASKS_LANGUAGE = re.compile(
    r"\btranslat|\b(?:latex|html|markdown|english|chinese|mandarin|french|german|spanish|japanese|original)\b|[翻音]译|译[成为文]|"
    r"[英中汉日法德][语文]|原文|普通话",
    re.IGNORECASE | re.ASCII,
)
_ASKS_READING = re.compile(
    r"\b(?:writ\w+|text|says?|transcribe|ocr|extract|titled?|names?|printed|words|labels?|lyrics|error message)\b"
    r"|写[了着]|文字|书名|标题|名[字称片]|歌名|广告词|标语|报错|提示信息|印[着了]",
    re.IGNORECASE | re.ASCII,
)
_IS_CODE = re.compile(
    r"^[ \t]*(?:def |class |import |from \w+ import|<!?[a-z]|\\[a-z]+[{_^ ]|[\[{]\s*[\"{\[]|SELECT |#include|\|)"
    r"|\\(?:frac|begin)\{|[;{}][ \t]*$",
    re.MULTILINE,
)
_LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
_PARTICLES = frozenset("the of and a in to for on de la van von & with".split())
LEAST_LETTERS = 12  # of an answer whose language is compared
MOST_ASKED = 0.1  # of an answer in another language that is in the language of the question


def mismatch(sample: Sample) -> dict[str, float]:
    """Return, 0 or 1: an answer speaks of an image that is not there, changes the language, boxes another thing."""
    questions, answers = _said(sample, "user"), _said(sample, "assistant")
    return {
        "images": float(_speaks_of_missing_image(questions, answers, len(sample.images))),
        "language": float(_changes_language(questions, answers, len(sample.images))),
        "label": float(_answers_other_label(sample)),
    }


def _said(sample: Sample, role: str) -> str:
    parts = [part for message in sample.messages if message.role == role for part in message.parts]
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))


def _speaks_of_missing_image(question: str, answer: str, num_images: int) -> bool:
    if not num_images:
        return _PICTURE.search(answer) is not None
    if _IS_CODE.search(answer):
        return False
    if num_images == 1 and (_HOLDS_PICTURES.search(answer) or _HOLDS_PICTURES.search(question)):
        return False
    found = ("".join(groups).lower().removeprefix("all ") for groups in _NTH.findall(answer))
    return any((int(word) if word.isdigit() else _ORDINALS[word]) > num_images for word in found)


def _changes_language(question: str, answer: str, num_images: int) -> bool:
    if sum(map(str.isalpha, answer)) < LEAST_LETTERS or _ASKS_LANGUAGE.search(question):
        return False
    if (num_images and _ASKS_READING.search(question)) or _IS_CODE.search(answer) or _is_name(answer):
        return False
    asked, said = main_language(question), main_language(answer)
    if asked not in ("en", "zh") or said is None or asked == said:  # the two that the model speaks
        return False
    # `X vs Y` is no Spanish
    return language(answer)[asked] < MOST_ASKED and main_language(_LETTER.sub(" ", answer)) == said


def _is_name(answer: str) -> bool:
    """Tell whether an answer is a name or a title: each of its words has a capital."""
    words = [word for word in answer.split() if word[0].isalpha() and word not in _PARTICLES]
    return 1 < len(words) == sum(word[0].isupper() for word in words)


def _answers_other_label(sample: Sample) -> bool:
    """Tell whether a question asks where one thing is, and the boxes are of another.

    A thing that a question gives a box of is not asked for.
    """
    asked: set[str] = set()
    for message in sample.messages:
        parts = [part for part in message.parts if isinstance(part, BoxesPart)]
        if message.role == "user":
            asked = {part.label for part in parts if not part.boxes}
        elif asked and parts and not any(_are_same(part.label, label) for part in parts for label in asked):
            return True
    return False


def _are_same(one: str, other: str) -> bool:
    """Tell whether two labels are one but for articles, number, or another word for it."""
    first, second = words_of(one), words_of(other)
    if first == second or one.strip() == other.strip():
        return True
    kinds = load_kinds()
    return bool(set(kinds.named.get(first, ())) & set(kinds.named.get(second, ())))
