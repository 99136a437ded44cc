"""Verdict: what one answer is worth, and how it was understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dialect = Literal["canonical", "vlmevalkit", "lmms", "official"]  # whose scoring rules, where they differ
State = Literal["correct", "wrong", "unparsed", "error"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The credit of one answer in 0..1.

    `correct` has credit, `wrong` has none, `unparsed` could not be read as an answer, `error` was never given. The last
    two have no credit either and are counted apart.
    """

    credit: float
    state: State
    parsed: str = ""  # what the answer was read as


def judged(credit: float, parsed: str) -> Verdict:
    """Return the verdict on an answer that could be read."""
    return Verdict(credit=credit, state="correct" if credit > 0 else "wrong", parsed=parsed)


def unparsed() -> Verdict:
    """Return the verdict on an answer that says nothing the benchmark asks for."""
    return Verdict(credit=0.0, state="unparsed")
