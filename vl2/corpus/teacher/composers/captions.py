"""Captions: what is known of a picture as a few sentences, in English or Chinese."""

from __future__ import annotations

import random
from collections.abc import Mapping

from vl2.corpus.filters.language import main_language
from vl2.corpus.teacher.composers.known import Known, listed, noun_phrase, read_known, sentence

MOST_READ = 6  # lines of text that a caption quotes
LONGEST_NAME_ZH = 12  # characters of a Chinese name; a longer one is a sentence of its own
_MEANING = ("computer icon", "sign", "road sign", "map symbol", "sign or symbol", "logo")
_WHERE = (
    "It belongs to {category}.", "It is filed under {category}.", "One would look for it among {category}.",
    "Its place in the collection is {category}.",
)  # fmt: skip
_WORDS = (
    "Other words for it: {words}.", "It also has to do with {words}.", "It was tagged with {words}.",
    "People may look for it by {words}.",
)  # fmt: skip
_FLAGS = ("The flag of {country}.", "This is the flag of {country}.", "What is shown is the flag of {country}.")
_LEADS = (
    "The picture shows {it}.",
    "This is a picture of {it}.",
    "In the picture there is {it}.",
    "Shown here is {it}.",
)
_LEADS_ZH = ("这张图片画的是{it}。", "图片中展示的是{it}。", "这幅图的内容是{it}。", "图中可以看到{it}。")
_MEANINGS_ZH = ("图片的说明是：{it}。", "这张图片要表达的是：{it}。")
_WHERE_ZH = (
    "它属于{category}一类。",
    "它归在“{category}”类别下。",
    "它的类别是{category}。",
    "可以在{category}类图片中找到它。",
)
_KINDS_ZH = ("这是一张{kind}。", "图片的形式是{kind}。", "图片的种类是{kind}。")


def compose_caption(material: Mapping[str, str], dice: random.Random) -> str:
    """Return a caption in English: what is shown, what sort of picture it is, its place, its words, what is read."""
    known = _known(material)
    said = [_shown(known, dice)]
    described = _description(known)
    if described:
        said.append(described)
    more: list[str] = []
    if known.category:
        more.append(dice.choice(_WHERE).format(category=_place(known)))
    if known.keywords:
        more.append(dice.choice(_WORDS).format(words=listed([f"“{word}”" for word in known.keywords])))
    dice.shuffle(more)
    said += more + _read(material, "The text in it reads {text}.")
    return " ".join(one for one in said if one)


def compose_chinese_caption(material: Mapping[str, str], dice: random.Random) -> str:
    """Return a caption in Chinese, of names in Chinese alone."""
    known = _known(material)
    name = known.title_zh or _chinese(known.caption)
    if not name:
        return ""
    is_sentence = len(name) > LONGEST_NAME_ZH or any(mark in name for mark in "，。、")
    said = [dice.choice(_MEANINGS_ZH if is_sentence else _LEADS_ZH).format(it=name)]
    more: list[str] = []
    if known.category_zh:
        more.append(dice.choice(_WHERE_ZH).format(category=known.category_zh))
    if known.kind_zh:
        more.append(dice.choice(_KINDS_ZH).format(kind=known.kind_zh))
    dice.shuffle(more)
    return "".join([*said, *more, *_read(material, "图中的文字是{text}。")])


def _known(material: Mapping[str, str]) -> Known:
    return read_known(material["metadata"], material["caption"])


def _shown(known: Known, dice: random.Random) -> str:
    """Return what is shown; empty where nothing tells it in English."""
    title = known.title
    if not title:
        own = known.caption.partition(". ")[0]
        return "" if known.is_chinese or not own else sentence(own)
    if known.kind == "flag":
        return sentence(title if "flag" in title.lower() else dice.choice(_FLAGS).format(country=_proper(title)))
    if known.kind in _MEANING:
        return dice.choice((f"A {known.kind} that stands for “{title}”.", f"This {known.kind} means “{title}”.",
                            f"This is a {known.kind} for “{title}”."))  # fmt: skip
    if known.kind == "playing card":
        return dice.choice((f"A playing card, {title}.", f"This is a playing card: {title}."))
    if known.kind and known.kind != "clip art picture":
        return dice.choice((f"A {known.kind} with the name “{title}”.", f"This is a {known.kind} called “{title}”."))
    if ". " in title or len(title) > 60:  # a name that is a sentence
        return sentence(title)
    lead = dice.choice(_LEADS).format(it=noun_phrase(title))
    return f"{lead[:-1]}, drawn as clip art." if known.kind and dice.random() < 0.6 else lead


def _proper(country: str) -> str:
    return " ".join(word if word in ("and", "of", "the") else word[:1].upper() + word[1:] for word in country.split())


def _description(known: Known) -> str:
    """Return what a caption says after its first sentence."""
    if known.is_chinese:
        return ""
    said = known.caption.partition(". ")[2].strip()
    return sentence(said) if said and said.lower() not in known.title.lower() else ""


def _place(known: Known) -> str:
    """Return a category with what it is narrowed to."""
    broad, *narrow = (part.replace("-", " ") for part in known.category)
    return f"“{broad}”, more exactly “{narrow[-1]}”" if narrow else f"“{broad}”"


def _chinese(caption: str) -> str:
    return caption.rstrip("。") if main_language(caption) == "zh" else ""


def _read(material: Mapping[str, str], form: str) -> list[str]:
    lines = [line.strip(" .。") for line in material["ocr"].splitlines() if line.strip(" .。")][:MOST_READ]
    return [form.format(text=" / ".join(f"“{line}”" for line in lines))] if lines else []
