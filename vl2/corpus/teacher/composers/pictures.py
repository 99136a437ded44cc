"""Pictures: questions with answers about a picture, of its name, its kind, its category and its words."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping

from vl2.corpus.teacher.composers.known import Known, listed, noun_phrase, read_known, sentence

MOST_QUESTIONS = 5
_WHAT = ("What does the picture show?", "What is this?", "What can be seen here?", "Name what is shown.")
_KIND = ("What kind of picture is this?", "What sort of picture is it?")
_PLACE = ("Which category does it belong to?", "Under which category would you file this picture?")
_CHINESE = ("What is it called in Chinese?", "How would one name it in Chinese?", "Give its Chinese name.")
_WORDS = ("By which other words could one find it?", "Which words go with this picture?")
_WHAT_ZH = ("图中是什么？", "图片里画的是什么？", "这是什么？")
_PLACE_ZH = ("它属于哪一类？", "这张图片应该归到哪个类别？")
_KIND_ZH = ("这是什么样的图片？", "这是哪种图片？")
_ENGLISH_ZH = ("它用英语怎么说？", "它的英文名称是什么？")


def compose_picture_questions(material: Mapping[str, str], dice: random.Random) -> str:
    """Return a JSON list of questions with answers, in the language of the caption; empty where nothing is known."""
    known = read_known(material["metadata"], material["caption"])
    pairs = list(_in_chinese(known, dice) if known.is_chinese else _in_english(known, dice))
    if not pairs:
        return ""
    first, others = pairs[0], pairs[1:]
    dice.shuffle(others)
    kept = [first, *others[: dice.randint(1, MOST_QUESTIONS - 1)]]
    return json.dumps([{"question": question, "answer": answer} for question, answer in kept], ensure_ascii=False)


def _in_english(known: Known, dice: random.Random) -> Iterator[tuple[str, str]]:
    if not known.title:
        return
    is_flag = known.kind == "flag" and "flag" not in known.title.lower()
    yield dice.choice(_WHAT), sentence(f"the flag of “{known.title}”" if is_flag else noun_phrase(known.title))
    if known.kind:
        yield dice.choice(_KIND), f"It is a {known.kind}."
    if known.category:
        broad, *narrow = (part.replace("-", " ") for part in known.category)
        more = f", and there to “{narrow[-1]}”" if narrow else ""
        yield dice.choice(_PLACE), dice.choice((f"It belongs to “{broad}”{more}.", f"To “{broad}”{more}."))
    if known.title_zh:
        yield dice.choice(_CHINESE), dice.choice((f"In Chinese it is “{known.title_zh}”.", f"“{known.title_zh}”."))
    if known.keywords:
        yield dice.choice(_WORDS), f"By {listed([f'“{word}”' for word in known.keywords])}."


def _in_chinese(known: Known, dice: random.Random) -> Iterator[tuple[str, str]]:
    name = known.title_zh or known.caption.rstrip("。")
    yield dice.choice(_WHAT_ZH), dice.choice((f"{name}。", f"图中是{name}。")) if len(name) < 10 else f"{name}。"
    if known.category_zh:
        yield dice.choice(_PLACE_ZH), dice.choice((f"它属于{known.category_zh}。", f"{known.category_zh}类。"))
    if known.kind_zh:
        yield dice.choice(_KIND_ZH), f"这是{known.kind_zh}。"
    if known.title:
        yield dice.choice(_ENGLISH_ZH), dice.choice((f"英语是“{known.title}”。", f"“{known.title}”。"))
