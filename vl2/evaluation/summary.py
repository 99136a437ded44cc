"""Summary: the score of one run with its error and all that it depends on; ScoredLine: one answer of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vl2.evaluation.verdict import State


@dataclass(frozen=True, kw_only=True)
class Part:
    """The mean credit of the rows that share a value, such as one category."""

    name: str
    num_rows: int
    score: float
    low: float  # 95 %
    high: float


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """What was done to every image before it was shown."""

    kind: str
    level: int  # 1..5


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a number needs beside it. Kept as `summary.json` of its run."""

    task: str
    title: str
    metric: str
    profile: str
    dialect: str
    model: str  # as it was named
    fingerprint: str  # of its weights, or the address that answered
    activated_parameters: int | None  # None where a server does not say
    num_rows: int
    score: float
    low: float  # 95 %, by bootstrap over groups
    high: float
    standard_error: float
    unparsed: float  # share of the rows
    errors: float  # share of the rows
    judged: int = 0  # rows whose verdict is that of a language model
    unanswered: int = 0  # rows that were not asked yet: the score leaves them out
    published: str = ""
    data: str = ""  # the file or folder of the rows
    split: str = ""
    code: str = ""  # version of this package
    degradation: Degradation | None = None
    parts: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)  # by what they break down


@dataclass(frozen=True, kw_only=True)
class ScoredLine:
    """One line of a run's `scores.jsonl`."""

    id: str
    group: str
    category: str
    question: str
    answers: tuple[str, ...]
    said: str
    parsed: str
    credit: float
    state: State
    box: tuple[float, float, float, float] | None = None
    num_images: int = 0
