"""Whether an answer has the form that was asked for, whatever it says."""

from __future__ import annotations

from vl2.processor.grounding import parse
from vl2.train.tuning.rewards.truth import LONGEST_ANSWER, Truth

ANYTHING = "*"


def format_reward(answer: str, truth: Truth, pattern: str = "") -> float:
    """Return 1 for an answer of a pattern, or without one for boxes without a flaw where boxes are expected.

    A pattern is text in which `*` stands for anything: `<think>*</think>*`. It is matched in linear time.
    """
    if len(answer) > LONGEST_ANSWER:
        return 0.0
    return float(fits(answer, pattern) if pattern else is_well_formed(answer, expects_boxes=bool(truth.boxes)))


def is_well_formed(answer: str, *, expects_boxes: bool) -> bool:
    """Tell whether there are boxes if and only if they are expected, and nothing is wrong with them."""
    grounded = [span for span in parse(answer) if span.label is not None]
    return bool(grounded) == expects_boxes and not any(span.problems for span in grounded)


def fits(text: str, pattern: str) -> bool:
    """Tell whether a text is the pattern with something in the place of each `*`; space around it does not count.

    Between the first and the last piece the earliest place of each is as good as any later one: no search goes back.
    """
    text = text.strip()
    first, *others = pattern.split(ANYTHING)
    if not others:
        return text == first
    *middle, last = others
    if not (text.startswith(first) and text.endswith(last) and len(text) >= len(first) + len(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
