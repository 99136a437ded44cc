"""Conversations about regions: ViP-LLaVA, All-Seeing v2 and Groma Instruct. Their boxes become boxes of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Message, Part, Sample, SceneObject, TextPart
from vl2.corpus.sources.conversations import converse
from vl2.corpus.sources.geometry import Corners, Size, check_size, four, from_grid, from_padded, outline_of
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, number, text
from vl2.data.faults import RowError
from vl2.data.records.turns import ROLE_OF, split_at_images, to_messages
from vl2.processor import image_size

GRID = 1000  # steps of All-Seeing's boxes
# of bounded length: what never closes would be looked through from each of its beginnings
_REF = re.compile(
    r"<(ref|pred)>(.{1,500}?)</\1>((?:\s{0,9}<box>\s{0,9}\[\[[\d\s,.\[\]-]{0,4000}\]\]\s{0,9}</box>){0,8})", re.DOTALL
)
_NUMBER = r"\s{0,9}([\d.]{1,9})\s{0,9}"
_CORNERS = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]")
_PHRASE = re.compile(r"<p>(.{1,500}?)</p>((?:\s{0,9}<(?:ground_box|roi|box)>){0,64})", re.DOTALL)
_PLACE = re.compile(r"<(?:ground_box|roi|box)>")
_LEFT = re.compile(r"</?(?:ref|pred|box|p)>|<ground_box>|<roi>")


def read_vip_llava(raw: Raw) -> Sample:
    """Return a conversation that holds `<bbox0>`, .. : the objects of these numbers, which are marked in its image."""
    record = raw.record
    boxes = record["bboxes"] if record.get("bboxes") is not None else record["bbox"]  # its documentation has bbox
    if boxes and not isinstance(boxes[0], list):
        boxes = [boxes]
    objects = tuple(SceneObject(f"bbox{n}", four(box)) for n, box in enumerate(boxes))
    told: dict[str, Any] = {}
    if record.get("segmentations"):
        told["outlines"] = [outline_of(one if one and isinstance(one[0], list) else [one])
                            for one in listed(record, "segmentations")]  # fmt: skip
    return replace(converse(raw, record, raw.beside), objects=objects, provenance=told)


def read_all_seeing(raw: Raw, is_padded: bool = False) -> Sample:
    """Return a conversation with grounded phrases; of relations (`<pred>`) the words stay, their ends are told before.

    `is_padded`: boxes are shares of the square around the image.
    """
    record = raw.record
    sample = converse(raw, record, raw.beside)
    if len(sample.images) != 1:
        raise RowError("boxes without their one image")
    size = image_size(sample.images[0])
    place = from_padded if is_padded else from_grid

    def read(told: str) -> Iterator[Part]:
        at = 0
        for found in _REF.finditer(told):
            yield from split_at_images(_plain(told[at : found.start()]))
            boxes = [_box(place(corners, size, GRID), size) for corners in _CORNERS.findall(found[3])]
            yield _grounded(found[2], boxes if found[1] == "ref" else [])
            at = found.end()
        yield from split_at_images(_plain(told[at:]))

    return _reworded(sample, [text(turn, "value") for turn in listed(record, "conversations")], read)


def read_groma(raw: Raw) -> Sample:
    """Return a conversation whose phrases take their boxes from a list, by the numbers in `box_inds`, in turn."""
    record = raw.record
    image = raw.pictures.image(text(record, "file_name"))
    size = number(record, "width"), number(record, "height")
    check_size(image, size)
    boxes = [four(box) for box in listed(record, "boxes")]
    turns: list[Message] = []
    for order, turn in enumerate(listed(record, "conversation")):
        told = turn.get("from")
        role = ROLE_OF[told] if told is not None else ("user", "assistant")[order % 2]
        numbers = list(turn.get("box_inds") or ())
        turns.append(Message(role, tuple(_phrases(text(turn, "value"), numbers, boxes, size))))
    objects = tuple(SceneObject("object", box) for box in boxes)
    name = name_of(record, ("id",), raw.name)
    return Sample(name, to_messages(turns, 1), (image,), objects)


def _phrases(told: str, numbers: list[Any], boxes: Sequence[Corners], size: Size) -> Iterator[Part]:
    """Yield the parts of a turn. A phrase takes as many numbers as places follow it, else one, or a list of them."""
    phrases = list(_PHRASE.finditer(told))
    places = [len(_PLACE.findall(found[2])) or 1 for found in phrases]
    if numbers and all(isinstance(one, int) for one in numbers):
        ends = [sum(places[:n]) for n in range(len(places) + 1)]
        numbers = (
            [numbers[start:end] for start, end in zip(ends, ends[1:], strict=False)] if ends[-1] == len(numbers) else []
        )
    if len(numbers) != len(phrases):
        raise RowError("phrases and their boxes are not as many")
    at = 0
    for found, chosen in zip(phrases, numbers, strict=True):
        if not all(isinstance(n, int) and 0 <= n < len(boxes) for n in chosen):
            raise RowError("a phrase with a box that is not listed")
        yield from split_at_images(_plain(told[at : found.start()]))
        yield _grounded(found[1], [_box(boxes[n], size) for n in chosen])
        at = found.end()
    yield from split_at_images(_plain(told[at:]))


def _grounded(label: str, boxes: Sequence[Box]) -> Part:
    label = label.strip()
    return BoxesPart(label, tuple(dict.fromkeys(boxes))) if boxes and label else TextPart(label)


def _box(corners: Corners, size: Size) -> Box:
    width, height = round(size[0]), round(size[1])
    return Box.from_pixels(*corners, width=width, height=height)


def _plain(told: str) -> str:
    if _LEFT.search(told):
        raise RowError("marks that are not as published")
    return told


def _reworded(sample: Sample, texts: Sequence[str], read: Any) -> Sample:
    """Return the sample with the parts that `read` makes of each turn."""
    turns = [Message(turn.role, tuple(read(told))) for turn, told in zip(sample.messages, texts, strict=True)]
    return replace(sample, messages=to_messages(turns, len(sample.images)))


_LLAVA = {"id": "any", "image": "text", "conversations": "list"}
_SIZED = {**_LLAVA, "width": "number?", "height": "number?"}
REGIONS = {
    "vip_llava": SourceFormat(
        open_rows=open_records_of, read=read_vip_llava, licence="research use", url="https://vip-llava.github.io",
        fields={**_LLAVA, "bboxes": "list?", "bbox": "list?", "segmentations": "list?"},
    ),
    "all_seeing_v2": SourceFormat(
        open_rows=open_records_of, read=read_all_seeing, licence="Apache-2.0",
        url="https://huggingface.co/datasets/OpenGVLab/AS-V2", fields=_SIZED,
    ),
    "all_seeing_v2_padded": SourceFormat(
        open_rows=open_records_of, read=partial(read_all_seeing, is_padded=True), licence="Apache-2.0",
        url="https://huggingface.co/datasets/OpenGVLab/AS-V2", fields=_SIZED,
    ),
    "groma_instruct": SourceFormat(
        open_rows=open_records_of, read=read_groma, licence="unknown",
        url="https://huggingface.co/datasets/FoundationVision/groma_instruct",
        fields={"file_name": "text", "width": "number", "height": "number", "boxes": "list", "conversation": "list",
                "id": "any?"},
    ),
}  # fmt: skip
