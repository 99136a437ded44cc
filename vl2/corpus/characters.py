"""Characters: code points as arrays, and what script each belongs to."""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from functools import cache

import numpy as np

_PLANE = 1 << 16  # what lies above is rare Chinese, symbols and pictographs


class Script(IntEnum):
    """A script, as far as languages are told apart by it."""

    NONE = 0  # spaces, punctuation, symbols
    DIGIT = 1
    LATIN = 2
    HAN = 3
    KANA = 4
    HANGUL = 5
    CYRILLIC = 6
    ARABIC = 7
    OTHER = 8  # letters of any other script


_NAMED = (
    ("LATIN", Script.LATIN),
    ("CJK", Script.HAN),
    ("HIRAGANA", Script.KANA),
    ("KATAKANA", Script.KANA),
    ("KATAKANA-HIRAGANA", Script.KANA),
    ("HANGUL", Script.HANGUL),
    ("CYRILLIC", Script.CYRILLIC),
    ("ARABIC", Script.ARABIC),
)  # by the first word of a character's name


def code_points(text: str) -> np.ndarray:
    """Return the code points of a text [characters]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def scripts_of(points: np.ndarray) -> np.ndarray:
    """Return the script of each code point [characters]."""
    found = script_table()[np.minimum(points, _PLANE - 1)]
    beyond = points >= _PLANE
    if beyond.any():
        found[beyond] = np.where((points[beyond] >= 0x20000) & (points[beyond] < 0x40000), Script.HAN, Script.NONE)
    return found


@cache
def script_table() -> np.ndarray:
    """Return the script of each code point below 65536 [65536]."""
    table = np.zeros(_PLANE, np.uint8)
    for point in range(_PLANE - 1):
        category = unicodedata.category(chr(point))
        if category.startswith("L"):
            name = unicodedata.name(chr(point), "").partition(" ")[0]
            table[point] = next((script for start, script in _NAMED if name == start), Script.OTHER)
        elif category.startswith("N"):
            table[point] = Script.DIGIT
        elif category.startswith("M"):  # marks belong to the letter before them
            table[point] = Script.OTHER
    return table
