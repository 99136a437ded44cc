"""The steps that a recipe can name, each with its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.gathering import Gathering
from vl2.corpus.step import Step, computing, deciding, text_of


@dataclass(frozen=True, kw_only=True)
class StepKind:
    """A step before its settings are known: it runs block by block, or it gathers something of all blocks."""

    name: str
    version: int
    settings: type
    fields: tuple[str, ...] = ()  # of the quality that it computes
    build: Callable[[Any], Step] | None = None
    gathering: Gathering | None = None


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """A step without settings."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a row is kept within; a row without the field, as one without images, passes."""

    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)

    def find_reason(self, sample: Sample) -> str | None:
        """Return the first limit that a row breaks."""
        found = sample.quality
        low = (f"{name} below {end:g}" for name, end in self.least.items() if name in found and found[name] < end)
        high = (f"{name} above {end:g}" for name, end in self.most.items() if name in found and found[name] > end)
        return next(low, None) or next(high, None)


def decided_fields(settings: Any) -> list[str]:
    """Return the fields of quality that a step decides on."""
    return [*settings.least, *settings.most] if isinstance(settings, Limits) else []


def measure_length(sample: Sample) -> dict[str, float]:
    """Return how much a row says and shows."""
    return {
        "question_characters": len(text_of(sample, ("user",))),
        "answer_characters": len(text_of(sample, ("assistant",))),
        "turns": sum(message.role == "assistant" for message in sample.messages),
        "images": len(sample.images),
        "objects": len(sample.objects),
    }


KINDS = (
    StepKind(
        name="length", version=1, settings=NoSettings,
        fields=("question_characters", "answer_characters", "turns", "images", "objects"),
        build=lambda settings: computing("length", 1, measure_length),
    ),
    StepKind(
        name="decide", version=1, settings=Limits,
        build=lambda settings: deciding("decide", 1, settings.find_reason),
    ),
)  # fmt: skip
STEPS: dict[str, StepKind] = {kind.name: kind for kind in KINDS}
