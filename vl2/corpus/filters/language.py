"""Language: shares by script, and among languages in Latin letters by their most frequent words."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np

from vl2.corpus.characters import Script, code_points, scripts_of

LANGUAGES = ("en", "zh", "ja", "ko", "ru", "ar", "de", "fr", "es", "it", "pt", "nl", "other")
HAN_WEIGHT = 2.5  # letters that one Chinese character stands for
LEAST_CHINESE = 0.3  # of a question in Chinese about things with names in Latin letters
LEAST_KANA = 0.1  # of Han and kana together; Japanese has more, Chinese none

_WORD = re.compile(r"[^\W\d_]+")
_FREQUENT = {
    "en": "the of and to is in that it was for on are with as at be this have from or by not but what an which",
    "de": "der die das und ist nicht ein eine mit auf für von dem den des sich auch zu im wird sind als bei nach",
    "fr": "le la les des est une et dans que qui pour pas sur avec au aux ce cette sont du par plus il elle",
    "es": "el los las una y es en que por con para del se su al como más pero está son lo un sus",
    "it": "il gli una e è di che per con non del della nel sono alla come più anche dei delle questo si",
    "pt": "o os uma e é em que para com não do da dos das no na um ao como mais foi são pelo pela",
    "nl": "de het een en is van dat niet op te zijn met voor aan er door ook bij naar om uit wordt deze",
}
_LATIN = {name: frozenset(words.split()) for name, words in _FREQUENT.items()}


def language(text: str) -> dict[str, float]:
    """Return the share of each language, together 1; all 0 for a text without letters."""
    counts = np.bincount(scripts_of(code_points(text)), minlength=len(Script)).astype(float)  # [scripts]
    han, kana = counts[Script.HAN] * HAN_WEIGHT, counts[Script.KANA] * HAN_WEIGHT
    is_japanese = kana > LEAST_KANA * (han + kana)
    weights: dict[str, float] = dict.fromkeys(LANGUAGES, 0.0)
    weights["ja" if is_japanese else "zh"] += han
    weights["ja"] += kana
    weights["ko"] += counts[Script.HANGUL] * HAN_WEIGHT
    weights["ru"] += counts[Script.CYRILLIC]
    weights["ar"] += counts[Script.ARABIC]
    weights["other"] += counts[Script.OTHER]
    if counts[Script.LATIN]:
        weights[_latin_language(text)] += counts[Script.LATIN]
    total = sum(weights.values())
    return {name: weight / total if total else 0.0 for name, weight in weights.items()}


def main_language(text: str) -> str | None:
    """Return the language with the largest share, None without letters."""
    shares = language(text)
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] else None


def language_asked_in(question: str) -> Literal["en", "zh"]:
    """Return in which of both languages to answer: names of the other may be longer than its own words."""
    return "zh" if language(question)["zh"] >= LEAST_CHINESE else "en"


def _latin_language(text: str) -> str:
    """Return the language with the most frequent words; English when there are none, as in names and captions."""
    words = _WORD.findall(text.lower())
    found = {name: sum(word in frequent for word in words) for name, frequent in _LATIN.items()}
    best = max(found, key=lambda name: found[name])
    return best if found[best] > max(found["en"], 1) else "en"
