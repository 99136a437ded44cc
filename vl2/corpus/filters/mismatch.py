"""Mismatch: an answer that cannot be about its images, as far as that shows without a model."""

from __future__ import annotations

import re

from vl2.core.sample import BoxesPart, Sample, TextPart
from vl2.corpus.filters.language import language, main_language

_PICTURE = re.compile(
    r"\b(?:in|of) (?:the|this) (?:image|picture|photo(?:graph)?)\b|\b(?:the|this) (?:image|photo) (?:shows|depicts)\b"
    r"|(?:图|图片|图像|照片|画面)(?:中|里|上|显示|展示)",
    re.IGNORECASE,
)
_ORDINALS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "二": 2, "三": 3, "四": 4, "五": 5}
_NTH = re.compile(
    r"\b(second|third|fourth|fifth)\s+(?:image|picture|photo)\b|第([二三四五])张(?:图|图片|图像|照片)", re.IGNORECASE
)
_ASKS_LANGUAGE = re.compile(
    r"\btranslat|\bin (?:english|chinese|mandarin)\b|翻译|用(?:英|中|汉|英文|中文)", re.IGNORECASE
)
LEAST_LETTERS = 12  # of an answer whose language is compared


def mismatch(sample: Sample) -> dict[str, float]:
    """Return, 0 or 1: an answer speaks of an image that is not there, changes the language, boxes another thing."""
    questions, answers = _said(sample, "user"), _said(sample, "assistant")
    return {
        "images": float(_speaks_of_missing_image(answers, len(sample.images))),
        "language": float(_changes_language(questions, answers)),
        "label": float(_answers_other_label(sample)),
    }


def _said(sample: Sample, role: str) -> str:
    parts = [part for message in sample.messages if message.role == role for part in message.parts]
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))


def _speaks_of_missing_image(text: str, num_images: int) -> bool:
    if not num_images:
        return _PICTURE.search(text) is not None
    named = [_ORDINALS[(first or second).lower()] for first, second in _NTH.findall(text)]
    return any(number > num_images for number in named)


def _changes_language(question: str, answer: str) -> bool:
    if sum(map(str.isalpha, answer)) < LEAST_LETTERS or _ASKS_LANGUAGE.search(question):
        return False
    asked, said = main_language(question), main_language(answer)
    if asked is None or said is None or asked == said:
        return False
    return language(answer)[asked] < 0.1 and {asked, said} <= {"en", "zh"}  # the two that the model speaks


def _answers_other_label(sample: Sample) -> bool:
    """Tell whether a question asks where one thing is, and the boxes are of another."""
    asked: set[str] = set()
    for message in sample.messages:
        labels = {part.label.strip().lower() for part in message.parts if isinstance(part, BoxesPart)}
        if message.role == "user":
            asked = labels
        elif asked and labels and not labels & asked:
            return True
    return False
