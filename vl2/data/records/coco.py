"""COCO: `images`, `annotations` and `categories` in one JSON file; RefCOCO: `refs` that point into it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.data.faults import Fault, RowError, fault_of
from vl2.data.records.boxed import NO_BOX, box_within, boxed_sample, boxed_samples
from vl2.data.records.files import open_file, unpacked
from vl2.data.records.plain_pickle import load_plain
from vl2.data.records.root import Root

MAX_DOCUMENT_BYTES = 2 << 30  # COCO's own largest file has 0.5 GB
_WRONG = (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, OverflowError)
_BROKEN = Fault("an annotation misses a field or has one of the wrong type")


def load_document(path: str) -> dict[str, Any]:
    """Read a JSON object of bounded size. Raises VL2Error when it is none."""
    try:
        document = json.loads(_read_bounded(unpacked(path)))
    except (ValueError, RecursionError) as error:
        do = "Name a file of one object a line .jsonl."
        raise VL2Error(path, f"not JSON: {str(error)[:80]}", do=do) from None
    if not isinstance(document, dict):
        raise VL2Error(path, "not a JSON object", got=type(document).__name__)
    return document


def read_coco(path: str, document: Mapping[str, Any], root: Root) -> Iterator[Sample | Fault]:
    """Yield the boxes of each image, one Sample a label. Crowds are left out: their box is no thing's box.

    Raises VL2Error where the file is not COCO's at all.
    """
    try:
        names = {category["id"]: str(category["name"]) for category in document["categories"]}
        by_image: defaultdict[Any, list[Any]] = defaultdict(list)
        for annotation in document["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        images = {image["id"]: image for image in document["images"]}
    except _WRONG as error:
        raise _not_coco(path, error) from None
    for number, image in images.items():
        boxes = []
        for annotation in by_image.pop(number, ()):
            found = _named_box(annotation, image, names)
            if isinstance(found, Fault):
                yield found
            elif found is not None:
                boxes.append(found)
        try:
            if boxes:
                yield from boxed_samples(str(number), root.image(image["file_name"]), boxes)
        except RowError as error:
            yield fault_of(error)
        except _WRONG:
            yield _BROKEN
    for left in by_image.values():
        yield from [Fault("an annotation of an image that is not listed")] * len(left)


def read_refcoco(refs: str, instances: str, root: Root, split: str = "train") -> Iterator[Sample | Fault]:
    """Yield one Sample for each sentence of each reference of a split; `refs` is the published pickle."""
    document = load_document(instances)
    try:
        images = {image["id"]: image for image in document["images"]}
        annotations = {annotation["id"]: annotation for annotation in document["annotations"]}
    except _WRONG as error:
        raise _not_coco(instances, error) from None
    for ref in load_refs(refs):
        try:
            if ref["split"] != split:
                continue
            image = images[ref["image_id"]]
            box = _box(annotations[ref["ann_id"]], image)
            if box is None:
                yield NO_BOX
                continue
            source = root.image(image["file_name"])
            for number, sentence in enumerate(ref["sentences"]):
                yield boxed_sample(f"{ref['ref_id']}:{number}", source, str(sentence["sent"]), [box])
        except RowError as error:
            yield fault_of(error)
        except _WRONG:
            yield _BROKEN


def _named_box(annotation: Any, image: Any, names: Mapping[Any, str]) -> tuple[str, Box] | Fault | None:
    """Return label and box; None of a crowd."""
    try:
        if annotation.get("iscrowd"):
            return None
        box = _box(annotation, image)
        return NO_BOX if box is None else (names[annotation["category_id"]], box)
    except _WRONG:
        return _BROKEN


def _box(annotation: Mapping[str, Any], image: Mapping[str, Any]) -> Box | None:
    """Return `bbox` [x, y, width, height] in pixels as a Box."""
    x, y, width, height = map(float, annotation["bbox"])
    return box_within(x, y, x + width, y + height, float(image["width"]), float(image["height"]))


def _not_coco(path: str, error: Exception) -> VL2Error:
    return VL2Error(path, f"not COCO: {type(error).__name__} {str(error)[:60]}", do="Export it again.")


def load_refs(path: str) -> list[Any]:
    """Return the references of a published pickle. Raises VL2Error when it holds more than plain values."""
    refs = load_plain(path, _read_bounded(path))
    if not isinstance(refs, list):
        raise VL2Error(path, "not a list of references", got=type(refs).__name__)
    return refs


def _read_bounded(path: str) -> bytes:
    with open_file(path) as file:
        data = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise VL2Error(path, "too large", expected=f"at most {MAX_DOCUMENT_BYTES} bytes")
    return data
