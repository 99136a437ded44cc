"""Step: a plain function over a batch of Samples that returns as many.

Steps that compute add quality; steps that decide say keep, or why not. No step takes rows away: what is rejected stays,
with its reason, and later steps pass over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vl2.core.errors import VL2Error
from vl2.core.sample import Part, Sample, TextPart
from vl2.data.faults import fault_of

Batch = Sequence[Sample]
Measure = Callable[[Sample], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is done to every batch; `version` changes whenever the same rows would come out otherwise."""

    name: str
    version: int
    run: Callable[[Batch], list[Sample]]


def computing(name: str, version: int, measure: Measure) -> Step:
    """Return a step that adds what `measure` finds to the quality of each kept row, as `name.field`.

    A row that cannot be measured, as one with a broken image, is rejected with the reason.
    """

    def run(batch: Batch) -> list[Sample]:
        return [_measured(sample, name, measure) if is_kept(sample) else sample for sample in batch]

    return Step(name=name, version=version, run=run)


def deciding(name: str, version: int, find_reason: Callable[[Sample], str | None]) -> Step:
    """Return a step that rejects each kept row for which there is a reason."""

    def run(batch: Batch) -> list[Sample]:
        found = [(sample, find_reason(sample) if is_kept(sample) else None) for sample in batch]
        return [sample if reason is None else reject(sample, name, reason) for sample, reason in found]

    return Step(name=name, version=version, run=run)


def is_kept(sample: Sample) -> bool:
    """Tell whether nothing has rejected this row."""
    return "keep" not in sample.decision or bool(sample.decision["keep"])


def reject(sample: Sample, step: str, reason: str, **more: str) -> Sample:
    """Return the row with the decision not to keep it."""
    return replace(sample, decision={"keep": False, "step": step, "reason": reason, **more})


def count_kept(batch: Iterable[Sample]) -> int:
    """Return how many rows are kept."""
    return sum(map(is_kept, batch))


def text_of(sample: Sample, roles: Sequence[str] = ("user", "assistant")) -> str:
    """Return what those roles say, a line a turn; boxes by their label, as a reader without marks would see it."""
    said = ("".join(map(_said, message.parts)) for message in sample.messages if message.role in roles)
    return "\n".join(text.strip() for text in said if text.strip())


def _said(part: Part) -> str:
    return part.text if isinstance(part, TextPart) else getattr(part, "label", "")


def _measured(sample: Sample, name: str, measure: Measure) -> Sample:
    try:
        found = {f"{name}.{field}": float(value) for field, value in measure(sample).items()}
    except VL2Error as error:
        return reject(sample, name, fault_of(error).reason)
    return replace(sample, quality={**sample.quality, **found})
