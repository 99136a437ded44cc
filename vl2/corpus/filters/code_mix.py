"""Code mix: English words within a Chinese answer, or Chinese characters within an English one.

The paper names it as a defect of its smallest model (section 3.3). What people do write is excused: quotations, code,
formulas, addresses, names, abbreviations, units, and a gloss in brackets.
"""

from __future__ import annotations

import re

LEAST_SHARE = 0.15  # of the lesser language for a text to be one of both, and no longer one with words of the other

_HAN = "\u3400-\u9fff"
_EXCUSED = re.compile(
    r"```.*?(?:```|$)|`[^`\n]*`|\$\$.{1,2000}?\$\$|\$[^$\n]*\$|https?://\S+|www\.\S+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,64}|(?<![\w/\\-])[\w/\\-]{0,80}\.[a-z]{2,4}\b"
    r"|<\|.{1,60}?\|>|<[^>\n]{1,60}>"
    r"|[“「『《\"][^”」』》\"\n]{1,200}[”」』》\"]|‘[^’\n]{1,200}’|(?<!\w)'[^'\n]{1,200}'(?!\w)"
    r"|[（(][^）)\n]{1,80}[）)]",
    re.DOTALL,
)
_WORD = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*")
_HAN_RUN = re.compile(rf"[{_HAN}]+")
# written in lower case within Chinese by custom
_CUSTOMARY = frozenset(
    """app email ok km kg cm mm m g mg ml l mb gb tb kb hz khz mhz ghz mah kw kwh v a w s ms min h px dpi rgb am pm
    vs etc x y z n k c d p t r b i e f u q j o logo vip wifi emoji vlog blog http https www com cn org html css json
    python java javascript numpy pandas matplotlib pytorch linux ios iphone ipad macos ebay sin cos tan log ln lim max
    min mol pi ph nba bpm kcal""".split()
)


def code_mix(text: str) -> dict[str, float]:
    """Return `share`: of words of the lesser language, not excused; `words`: how many. A text of one language has 0."""
    plain = _EXCUSED.sub(" ", text)
    han = sum(map(len, _HAN_RUN.findall(plain)))
    english = [match.group() for match in _WORD.finditer(plain)]
    if han / 1.6 >= len(english):  # characters of a Chinese word, on average
        foreign = sum(map(_is_foreign, english))
    else:
        foreign = len(_HAN_RUN.findall(plain))
    total = han / 1.6 + len(english)
    return {"share": foreign / total if total else 0.0, "words": foreign}


def _is_foreign(word: str) -> bool:
    """Tell whether an English word in Chinese is more than a name, an abbreviation or a unit."""
    return word.islower() and word not in _CUSTOMARY
