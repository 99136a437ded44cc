"""Credits: what an answer of pocketbench is worth, by the rule of its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Sample

MIN_IOU = 0.5
UNPRINTED_TOLERANCE = 5.0  # a value read off an axis
MAX_ANSWER_TOKENS = 160


def gold_boxes(sample: Sample) -> tuple[Box, ...]:
    """Return the boxes of a sample's last turn."""
    return tuple(box for part in sample.messages[-1].parts if isinstance(part, BoxesPart) for box in part.boxes)


def credit_of(kind: str, accepted: Sequence[str], boxes: Sequence[Box], said: str) -> float:
    """Return the credit of an answer in 0..1, by the accepted texts or, in kinds that ask for boxes, by the boxes."""
    from vl2.processor.grounding import parse  # here: its package loads torch, which listing the tasks does not need

    if kind.startswith(("ground.", "text_ground")):
        return _grounding_credit(boxes, [box for span in parse(said) for box in span.boxes])
    return CREDIT_RULES.get(kind, exact)(said, accepted)


def exact(said: str, gold: Sequence[str]) -> float:
    """Return 1 when the answer equals an accepted one, letter by letter."""
    return float(said.strip() in gold)


def line_share(said: str, gold: Sequence[str]) -> float:
    """Return the share of the picture's lines that were read exactly, in their places."""
    wanted, got = gold[0].split("\n"), said.strip().split("\n")
    return sum(a == b for a, b in zip(wanted, got, strict=False)) / max(len(wanted), len(got))


def near_number(said: str, gold: Sequence[str]) -> float:
    """Return 1 when the number is within the tolerance of the true one."""
    try:
        return float(abs(float(said.strip().rstrip("%")) - float(gold[0].rstrip("%"))) <= UNPRINTED_TOLERANCE)
    except ValueError:
        return 0.0


CREDIT_RULES: dict[str, Callable[[str, Sequence[str]], float]] = {"lines": line_share, "chart.unprinted": near_number}


def _grounding_credit(gold: Sequence[Box], said: Sequence[Box]) -> float:
    """Return 1 when as many boxes were said as there are, each overlapping one of its own by half or more."""
    if len(gold) != len(said):
        return 0.0
    left = list(gold)
    for box in said:
        best = max(left, key=box.iou, default=None)
        if best is None or box.iou(best) < MIN_IOU:
            return 0.0
        left.remove(best)
    return 1.0
