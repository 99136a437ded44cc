"""Solutions: a question about data answered from the data: what is read, what is computed, and the answer last."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

from vl2.corpus.filters.language import language_asked_in
from vl2.corpus.pipelines.agreement import split_answer
from vl2.corpus.teacher.composers.asked import Asked, Solution
from vl2.corpus.teacher.composers.comparisons import difference, higher_of_two, is_above_half, is_higher, sum_of, trend
from vl2.corpus.teacher.composers.entries import mentioned, read_data
from vl2.corpus.teacher.composers.lookups import count_above, count_of, extreme, title_of, untold, value_of

SILENT = "What is known does not tell it."  # a reply that agrees with no answer, so that only its question goes
_LABEL = {"en": "Answer: ", "zh": "答案："}
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])|(?<=[。！？])")
_KINDS: tuple[tuple[str, Callable[[Asked], Solution | None]], ...] = (
    (r"colou?r|axis|what kind|which type|relation|stand for\?|drawn in", untold),
    (r"颜色|坐标轴|横轴|数值轴|类型|哪种图|相关|表示什么|代表的是", untold),
    (r"title|called|标题", title_of),
    (r"more than half|above 50%|超过一半|超过50%", is_above_half),
    (r"risen or fallen|rise or fall|上升还是下降", trend),
    (r"how much (?:higher|more|larger|less)|difference|高多少|相差|多多少", difference),
    (r"sum of|add up|\btotal\b|之和|加起来|合计|总和|总计", sum_of),
    (r"^is\b.*\b(?:higher|above|more|larger)\b|是否高于|比.*[高大多]吗", is_higher),
    (r"how many.*(?:above|more than|over)|有多少.*(?:超过|高于)|(?:超过|高于).*几个", count_above),
    (r"which (?:is|has the) (?:higher|larger)|哪个更高|哪个的?数值更大|哪个更大", higher_of_two),
    (r"second (?:highest|largest|by)|is second|第二", extreme(1, largest=True)),
    (r"highest|largest|first by|peak|most\b|最高|最大|最多", extreme(0, largest=True)),
    (r"lowest|smallest|least\b|fewest|最低|最小|最少", extreme(0, largest=False)),
    (r"how many|count the|多少个|几个|有几", count_of),
)  # the first pattern that a question holds says what it asks for; a question with none asks for a value


def compose_answer(material: Mapping[str, str], dice: random.Random) -> str:
    """Return what is read of the data and what is computed, and the answer on the last line."""
    return _composed(material, dice, as_steps=False)


def compose_steps(material: Mapping[str, str], dice: random.Random) -> str:
    """Return a step a line, and the answer on the last: of data, else of an older solution in several sentences."""
    said = _composed(material, dice, as_steps=True)
    return said if said != SILENT else _rewritten(material["solution"]) or SILENT


def _composed(material: Mapping[str, str], dice: random.Random, *, as_steps: bool) -> str:
    asked = _ask(material, dice)
    found = _solve(asked)
    if found is None:
        return SILENT
    if as_steps:
        said = "\n".join(f"{number}. {step}" for number, step in enumerate(found.steps, 1))
    else:
        said = (" " if asked.language == "en" else "").join(found.steps)
    return f"{said}\n{_LABEL[asked.language]}{found.answer}"


def _ask(material: Mapping[str, str], dice: random.Random) -> Asked:
    question = material["question"]
    data = read_data(material["document"] or material["ocr"])
    named = mentioned(question, [*data.names, *data.series])
    names = tuple(name for name in named if name in data.names)
    series = tuple(name for name in named if name in data.series and name not in data.names)
    return Asked(question, language_asked_in(question), data, names, series, dice)


def _solve(asked: Asked) -> Solution | None:
    if not asked.data.entries:
        return None
    solve = next((solve for pattern, solve in _KINDS if re.search(pattern, asked.question, re.IGNORECASE)), value_of)
    return solve(asked)


def _rewritten(solution: str) -> str:
    """Return a solution of several sentences as a step a line; empty for a bare answer."""
    split = split_answer(solution)
    if split is None:
        return ""
    steps = [step.strip() for step in _SENTENCE.split(split[0]) if step.strip()]
    return "\n".join([*steps, _LABEL[language_asked_in(split[0])] + split[1]]) if len(steps) > 1 else ""
