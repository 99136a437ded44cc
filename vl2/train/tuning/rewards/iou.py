"""How well the boxes of an answer lie on those that are there."""

from __future__ import annotations

from vl2.train.tuning.rewards.truth import LONGEST_ANSWER, Truth, labelled_boxes

MOST_BOXES = 256  # matching costs their square


def iou_reward(answer: str, truth: Truth) -> float:
    """Return the summed IoU of matched boxes over the larger number of boxes: too many cost as much as too few.

    Boxes match by the largest IoU first, and only under one label, case aside. Where nothing is there, no box is right.
    """
    if len(answer) > LONGEST_ANSWER:
        return 0.0
    found = labelled_boxes(answer)
    if not truth.boxes or not found:
        return float(not truth.boxes and not found)
    if len(found) > max(MOST_BOXES, len(truth.boxes)):
        return 0.0
    ranked = sorted(
        (
            (-own.iou(wanted), number, place)
            for number, (label, own) in enumerate(found)
            for place, (asked, wanted) in enumerate(truth.boxes)
            if is_same(label, asked)
        ),
    )
    return _matched(ranked) / max(len(found), len(truth.boxes))


def is_same(label: str, asked: str) -> bool:
    """Tell whether two labels name one thing; boxes without a label may be anything."""
    return not asked or label.strip().casefold() == asked.strip().casefold()


def _matched(ranked: list[tuple[float, int, int]]) -> float:
    """Return the summed IoU, each box used once."""
    used: set[int] = set()
    taken: set[int] = set()
    total = 0.0
    for loss, number, place in ranked:
        if number not in used and place not in taken:
            used.add(number)
            taken.add(place)
            total -= loss
    return total
