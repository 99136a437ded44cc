"""Row: one question of a benchmark, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vl2.core.sample import ImageSource


@dataclass(frozen=True, kw_only=True)
class Row:
    """A question, its images undecoded, and what is accepted as an answer."""

    id: str  # unique within its split
    images: tuple[ImageSource, ...]  # in the order of the question
    question: str
    options: Mapping[str, str] = field(default_factory=dict)  # letter to text; none for open questions
    answers: tuple[str, ...] = ()  # a letter where there are options; none where a server keeps them
    box: tuple[float, float, float, float] | None = None  # x1, y1, x2, y2 in pixels, of grounding tasks
    group: str = ""  # rows of one image or document are not independent; "": the row is alone
    category: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)  # what only this benchmark has, such as hint or precision
