"""Wording: questions drawn from pools, in English and Chinese. Rows store what is asked for; words come last."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any, Literal

from vl2.core.sample import BoxesPart, Part, TextPart
from vl2.core.settings import load_yaml

POOLS = Path(__file__).with_name("wording.yaml")
PLACE = "{query}"
Language = Literal["en", "zh"]


def ask_for(pool: str, language: Language, dice: random.Random, label: str) -> tuple[Part, ...]:
    """Return a question with the label as a marked phrase."""
    before, _, after = _pick(pool, language, dice).partition(PLACE)
    parts = (TextPart(before), BoxesPart(label, ()), TextPart(after))
    return tuple(part for part in parts if part != TextPart(""))


def say(pool: str, language: Language, dice: random.Random, query: str = "") -> str:
    """Return a sentence with the query in plain words."""
    return _pick(pool, language, dice).replace(PLACE, query)


def pick_language(dice: random.Random, chinese_share: float) -> Language:
    """Return the language of a question."""
    return "zh" if dice.random() < chinese_share else "en"


def _pick(pool: str, language: Language, dice: random.Random) -> str:
    return dice.choice(_pools()[pool][language])


@cache
def _pools() -> dict[str, Any]:
    return load_yaml(POOLS)
