"""Clip Chinese: what clip art shows in Chinese, where `chinese.yaml` has its name; nothing is guessed."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from vl2.core.settings import load_yaml

_STAR = re.compile(r"a star with (\d+) points")
_CARD = re.compile(r"the (\w+) of (\w+)")
_SUITS = {"clubs": "梅花", "diamonds": "方块", "hearts": "红桃", "spades": "黑桃"}
_RANKS = {"ace": "A", "jack": "J", "queen": "Q", "king": "K", "two": "2", "three": "3", "four": "4", "five": "5",
          "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}  # fmt: skip
_FORMS = ("这是{kind}：{name}。", "{kind}：{name}。", "图中是{name}。", "{name}，{kind}。")
_FLAG_FORMS = ("{name}的旗帜。", "这是{name}的旗帜。", "图中是{name}的旗帜。")


def chinese_name(name: str, kind: str) -> str:
    """Return what a picture shows in Chinese; empty where that is not known."""
    if found := _STAR.fullmatch(name):
        return f"有{found[1]}个角的星形"
    if (found := _CARD.fullmatch(name)) and kind == "playing card":
        return _SUITS[found[2]] + _RANKS[found[1]]
    pool = _pools()["flags" if kind == "flag" else "names"]
    return pool.get(name.lower(), "")


def chinese_caption(name_zh: str, kind: str, dice: random.Random) -> str:
    """Return a sentence about a picture."""
    if kind == "flag":
        return dice.choice(_FLAG_FORMS).format(name=name_zh)
    return dice.choice(_FORMS).format(name=name_zh, kind=chinese_kind(kind))


def chinese_kind(kind: str) -> str:
    """Return what sort of picture it is."""
    kinds = _pools()["kinds"]
    return kinds[kind] if kind in kinds else kinds["clip art picture"]


def chinese_category(categories: Sequence[str]) -> str:
    """Return the narrowest category that has a name in Chinese; empty where none has."""
    names = _pools()["categories"]
    return next((names[category] for category in reversed(categories) if category in names), "")


@cache
def _pools() -> dict[str, Any]:
    told = load_yaml(Path(__file__).with_suffix(".yaml"))
    return {
        "kinds": told["kinds"],
        "categories": told["categories"],
        "names": _names(told["names"]),
        "flags": _names(told["flags"]),
    }


def _names(told: str) -> dict[str, str]:
    pairs = (entry.strip().rpartition(" ") for entry in told.split(";"))
    return {english: chinese for english, _, chinese in pairs}
