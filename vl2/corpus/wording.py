"""Wording: a row's conversation as other trainers write it, with places for images and boxes in the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, Message, Sample, TextPart
from vl2.data.faults import RowError
from vl2.data.records.turns import IMAGE_PLACE, to_messages
from vl2.processor.grounding import render

_LLAVA_ROLES = {"user": "human", "assistant": "gpt"}
_BOX_PLACE, _REF_PLACE = "<bbox>", "<ref-object>"


def llava_record(sample: Sample, images: Sequence[str]) -> dict[str, Any]:
    """Return LLaVA's row; boxes as the model writes them. Raises RowError on what it has no words for."""
    system, turns = _split_system(sample)
    said = [{"from": _LLAVA_ROLES[turn.role], "value": _join(turn, (IMAGE_PLACE,), _rendered)} for turn in turns]
    record: dict[str, Any] = {"id": sample.id, "conversations": said}
    if system:
        record["system"] = system
    if images:
        record["image"] = images[0] if len(images) == 1 else list(images)
    return record


def swift_record(sample: Sample, images: Sequence[str]) -> dict[str, Any]:
    """Return ms-swift's row: boxes beside the text, as shares of the image. Raises RowError as above."""
    labels: list[str] = []
    boxes: list[Box] = []

    def place(part: BoxesPart) -> str:
        if not images or len(part.boxes) > 1:  # it has a place for one box a name
            return _rendered(part)
        labels.append(part.label)
        boxes.extend(part.boxes)
        return _REF_PLACE + _BOX_PLACE * len(part.boxes)

    reserved = (IMAGE_PLACE, _BOX_PLACE, _REF_PLACE)
    turns = to_messages(sample.messages, len(sample.images))
    said = [{"role": turn.role, "content": _join(turn, reserved, place)} for turn in turns]
    record: dict[str, Any] = {"id": sample.id, "messages": said}
    if images:
        record["images"] = list(images)
    if labels:
        record["objects"] = {"ref": labels, "bbox": [list(box.unit()) for box in boxes], "bbox_type": "norm1"}
    return record


def _split_system(sample: Sample) -> tuple[str, tuple[Message, ...]]:
    first, *others = to_messages(sample.messages, len(sample.images))
    if first.role != "system":
        return "", (first, *others)
    return _join(first, (), _rendered), tuple(others)


def _join(turn: Message, reserved: Sequence[str], render_place: Callable[[BoxesPart], str]) -> str:
    pieces: list[str] = []
    for part in turn.parts:
        match part:
            case ImagePart():
                pieces.append(IMAGE_PLACE)
            case TextPart(text):
                if any(place in text for place in reserved):
                    raise RowError("a text holds what the format reads as a place")
                pieces.append(text)
            case BoxesPart():
                pieces.append(render_place(part))
    return "".join(pieces)


def _rendered(part: BoxesPart) -> str:
    return render(part.label, part.boxes)
