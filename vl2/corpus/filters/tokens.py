"""Tokens: words in lower case, of Chinese and Japanese single characters; for counting, not for models."""

from __future__ import annotations

import re

_HAN_KANA = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_HAN_KANA}]|[^\W_{_HAN_KANA}]+(?:['’][^\W_{_HAN_KANA}]+)*")


def tokens_of(text: str) -> list[str]:
    """Return the tokens of a text; punctuation is none."""
    return _TOKEN.findall(text.lower())
