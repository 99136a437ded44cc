"""OCR agreement: whether the text that an answer claims to read is what an OCR engine read in the image."""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUOTED = re.compile(r"[“\"「『]([^”\"」』\n]{2,120})[”\"」』]|(?<!\w)'([^'\n]{2,120})'(?!\w)")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*%?")
_LOOK_ALIKE = str.maketrans(
    "0158", "olsb"
)  # what engines confuse, after lower case: 0 and O, 1 and l, 5 and S, 8 and B
NEAR = 0.8  # of the character pairs of a quotation
LEAST_DIGITS = 3  # of a number: shorter ones are counts


def ocr_agreement(answer: str, read: Sequence[str]) -> dict[str, float]:
    """Return the share of what an answer quotes, and of its long numbers, that was read; 1 when it claims nothing."""
    whole = _normal(" ".join(read))
    pairs = _pairs(whole)
    quoted = [_normal(first or second) for first, second in _QUOTED.findall(answer)]
    digits = "".join(filter(str.isdigit, " ".join(read)))
    numbers = ["".join(filter(str.isdigit, number)) for number in _NUMBER.findall(answer)]
    numbers = [number for number in numbers if len(number) >= LEAST_DIGITS]
    found = [_is_read(text, whole, pairs) for text in quoted if text] + [number in digits for number in numbers]
    return {"claims": len(found), "agreement": sum(found) / len(found) if found else 1.0}


def _is_read(text: str, whole: str, pairs: set[str]) -> bool:
    own = _pairs(text)
    return text in whole or (bool(own) and len(own & pairs) / len(own) >= NEAR)


def _normal(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower())).translate(_LOOK_ALIKE)


def _pairs(text: str) -> set[str]:
    return {text[at : at + 2] for at in range(len(text) - 1)}
