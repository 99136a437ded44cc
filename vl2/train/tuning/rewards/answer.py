"""Whether an answer is the right one: the same words, or the same number."""

from __future__ import annotations

import math
import re

from vl2.train.tuning.rewards.truth import LONGEST_ANSWER, Truth

DEFAULT_TOLERANCE = 0.01  # of the right number
_CLOSING = ".!?,;: \t\r\n"
# signs, digits in groups of three or not, a fraction; lengths are bounded, so that no answer takes long
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3}){1,6}|\d{1,18})(?:\.\d{1,18})?(?![\d])")


def answer_reward(answer: str, truth: Truth) -> float:
    """Return 1 for an accepted answer; case, spaces and closing punctuation do not count."""
    return float(len(answer) <= LONGEST_ANSWER and plain(answer) in {plain(one) for one in truth.accepted})


def number_reward(answer: str, truth: Truth, tolerance: float = DEFAULT_TOLERANCE) -> float:
    """Return 1 when the last number of an answer is that of the truth, up to a share of it.

    A truth without a number is held against the words.
    """
    if len(answer) > LONGEST_ANSWER:
        return 0.0
    wanted = {number for one in truth.accepted if (number := last_number(one)) is not None}
    if not wanted:
        return answer_reward(answer, truth)
    found = last_number(answer)
    return float(found is not None and any(math.isclose(found, one, rel_tol=tolerance) for one in wanted))


def plain(text: str) -> str:
    """Return a text without what does not count."""
    return " ".join(text.casefold().split()).strip(_CLOSING)


def last_number(text: str) -> float | None:
    """Return the number that a text says last, None when there is none."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None
