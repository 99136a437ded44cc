"""Screens with their elements: WaveUI-25k and Multimodal-Mind2Web, of which SeeAct is an edition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vl2.core.sample import Sample, SceneObject
from vl2.corpus.sources.geometry import Corners, check_size, four, from_xywh
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, optional_text, text
from vl2.data.faults import RowError

_SLACK = 1.0  # pixels that a box may reach over its screen
_HIDDEN = (-1.0, -1.0, -1.0, -1.0)
_SAYINGS = {"CLICK": "Click {name}", "TYPE": "Type {value} into {name}", "SELECT": "Select {value} in {name}",
            "HOVER": "Point at {name}", "ENTER": "Press enter in {name}"}  # fmt: skip
_NAMES = ("aria_label", "text_value", "label", "placeholder", "title", "alt", "name", "input_value")


def read_waveui(raw: Raw) -> Sample:
    """Return a screen with one element. Its box is taken for corners in pixels, and refused where it cannot be."""
    record = raw.record
    box = four(record["bbox"])
    width, height = (float(side) for side in listed(record, "resolution"))
    if not (box[0] < box[2] <= width + _SLACK and box[1] < box[3] <= height + _SLACK and min(box) >= -_SLACK):
        raise RowError("a box that is not corners within its screen")
    image = raw.given(record.get("image"))
    check_size(image, (width, height))
    name = optional_text(record, "name").strip() or text(record, "instruction").strip()
    told: dict[str, Any] = {"instruction": text(record, "instruction")}
    metadata = {key: record[key] for key in ("platform", "type", "description", "language", "purpose", "expectation")
                if isinstance(record.get(key), str) and record[key]}  # fmt: skip
    read = optional_text(record, "OCR").strip()
    told |= {"metadata": metadata} | ({"ocr": read.splitlines()} if read else {})
    return Sample(raw.name, (), (image,), (SceneObject(name, box, 0, "element"),), provenance=told)


def read_mind2web(raw: Raw) -> Sample:
    """Return a page with the element of the next action first, then others that were candidates and can be seen."""
    record = raw.record
    operation = json.loads(text(record, "operation"))
    wanted = [found for one in listed(record, "pos_candidates") if (found := _element(one)) is not None]
    if not wanted:
        raise RowError("an action without an element that can be seen")
    name = _called(optional_text(record, "target_action_reprs")) or wanted[0][0]
    saying = _SAYINGS.get(str(operation.get("op")))
    if not name or saying is None:
        raise RowError("an action that cannot be told")
    others = [found for one in record.get("neg_candidates") or () if (found := _element(one)) is not None and found[0]]
    boxes = {wanted[0][1]: name} | {box: label for label, box in others if box != wanted[0][1]}
    metadata = {"task": text(record, "confirmed_task"), "website": optional_text(record, "website")}
    told = {"instruction": saying.format(name=name, value=operation.get("value") or "it"), "metadata": metadata}
    objects = tuple(SceneObject(label, box, 0, "element") for box, label in boxes.items())
    image = raw.given(record.get("screenshot"))
    return Sample(name_of(record, ("action_uid",), raw.name), (), (image,), objects, provenance=told)


def _element(told: Any) -> tuple[str, Corners] | None:
    """Return name and box of a candidate, JSON within JSON; None where it is hidden."""
    candidate: Any = json.loads(told) if isinstance(told, str) else told
    attributes: Any = candidate["attributes"]
    if isinstance(attributes, str):
        attributes = json.loads(attributes)
    box = four(attributes["bounding_box_rect"].split(","))
    if box == _HIDDEN or box[2] <= 0 or box[3] <= 0:
        return None
    return _first_name(attributes), from_xywh(box)


def _first_name(attributes: Mapping[str, Any]) -> str:
    found = (str(attributes[name]).strip() for name in _NAMES if attributes.get(name))
    return next(filter(None, found), "")


def _called(told: str) -> str:
    """Return the name in `[button]  Search -> CLICK`."""
    return told.partition("]")[2].rpartition("->")[0].strip()


SCREENS = {
    "waveui": SourceFormat(
        open_rows=open_records_of, read=read_waveui, licence="unknown",
        url="https://huggingface.co/datasets/agentsea/wave-ui-25k",
        fields={"image": "image", "instruction": "text", "bbox": "list", "resolution": "list", "source": "text?",
                "platform": "text?", "name": "text?", "description": "text?", "type": "text?", "OCR": "text?",
                "language": "text?", "purpose": "text?", "expectation": "text?"},
    ),
    "mind2web": SourceFormat(
        open_rows=open_records_of, read=read_mind2web, licence="OpenRAIL",
        url="https://huggingface.co/datasets/osunlp/Multimodal-Mind2Web",
        fields={"action_uid": "text", "raw_html": "text?", "cleaned_html": "text?", "operation": "text",
                "pos_candidates": "list", "neg_candidates": "list?", "website": "text?", "domain": "text?",
                "subdomain": "text?", "annotation_id": "text?", "confirmed_task": "text", "screenshot": "image",
                "action_reprs": "list?", "target_action_index": "any?", "target_action_reprs": "text?"},
    ),
}  # fmt: skip
