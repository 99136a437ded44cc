"""Checks: the fields of our own records, which readers pass on as they find them."""

from __future__ import annotations

import math
from typing import Any

from vl2.core.sample import BoxesPart, Sample, SceneObject
from vl2.corpus.step import is_kept
from vl2.data.faults import RowError

_SAYINGS = ("step", "reason", "because_of")  # of a decision


def check_fields(sample: Sample) -> None:
    """Raise RowError when a field of a row is of another type than the steps, writers and reports take it for."""
    labels = [part.label for message in sample.messages for part in message.parts if isinstance(part, BoxesPart)]
    if not all(isinstance(text, str) for text in (*labels, *sample.answers)):
        raise RowError("a label or an answer is not a string")
    if not all(map(_is_object, sample.objects)):
        raise RowError("an object is not a label and four numbers")
    if not all(isinstance(told, dict) for told in (sample.provenance, sample.quality, sample.decision)):
        raise RowError("provenance, quality or decision is not a mapping")
    if not all(isinstance(sample.provenance[name], str) for name in ("licence", "url") if name in sample.provenance):
        raise RowError("a licence or url is not a string")
    if not all(map(_is_number, sample.quality.values())):
        raise RowError("a value of quality is not a number")
    if not all(isinstance(sample.decision[name], str) for name in _SAYINGS if name in sample.decision):
        raise RowError("a decision is not said in strings")
    if not is_kept(sample) and not {"step", "reason"} <= set(sample.decision):
        raise RowError("a decision without its reason")
    if not all(_is_size(side) for image in sample.images for side in (image.width, image.height)):
        raise RowError("the size of an image is not a number")


def _is_object(item: SceneObject) -> bool:
    is_named = isinstance(item.label, str) and isinstance(item.kind, str) and isinstance(item.image, int)
    return is_named and len(item.box) == 4 and all(map(_is_number, item.box))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e15 and math.isfinite(value)


def _is_size(value: Any) -> bool:
    return value is None or (isinstance(value, int) and 0 < value < 1 << 31)
