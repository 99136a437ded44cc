"""Find claims: whether the things that a caption names can be found in its image, by a teacher that answers in boxes.

Our own `vl2 serve` is such a teacher. A caption whose things are not found was invented, at least in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vl2.core.sample import Sample
from vl2.corpus.filters.grounding_recall import claimed_kinds
from vl2.corpus.step import text_of
from vl2.corpus.teacher.ask import Ask
from vl2.corpus.teacher.teaching import Taught
from vl2.processor import parse

PROMPT, VERSION = "locate", 2
QUESTION = "<|ref|>{}<|/ref|>"  # the bare reference, as the released model was trained on it


@dataclass(frozen=True, kw_only=True)
class FindClaims(Taught):
    """How many things of a caption are looked for."""

    most_claims: int = 8

    def asks(self, sample: Sample) -> list[Ask]:
        """Return a request for each thing that the answers name; none without an image."""
        claims = claimed_kinds(text_of(sample, ("assistant",)))[: self.most_claims] if sample.images else []
        return [
            Ask(prompt=PROMPT, version=VERSION, system="", text=QUESTION.format(claim), images=sample.images[:1])
            for claim in claims
        ]

    def measure(self, sample: Sample, said: Sequence[str]) -> dict[str, float]:
        """Return how many things were looked for, and the share that has boxes; nothing when there are none."""
        if not said:
            return {}
        found = sum(any(span.boxes and not span.problems for span in parse(reply)) for reply in said)
        return {"claims": len(said), "recall": found / len(said)}
