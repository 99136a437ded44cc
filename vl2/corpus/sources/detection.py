"""Detection sets in COCO's layout: COCO, Objects365, V3Det. One row an image, with everything labelled in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample, SceneObject
from vl2.corpus.source import Source
from vl2.corpus.sources.elements import index
from vl2.corpus.sources.geometry import check_size, from_xywh, outline_of
from vl2.corpus.sources.joined import JoinedRows, read_all
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, number, text
from vl2.data.faults import RowError
from vl2.data.records.files import find_files

CROWD = "crowd"  # the kind of a box around many: it is not asked for, but what it is called is there


def open_coco(source: Source) -> list[JoinedRows]:
    """Open annotation files: images, joined with their annotations, these with their categories."""
    return [_open(path) for path in find_files(source.path)]


def _open(path: str) -> JoinedRows:
    copy, found = index(path, {"images": "id", "annotations": "image_id", "categories": "id"})
    try:
        categories = {category["id"]: category for category in read_all((copy, found["categories"]))}
    except (ValueError, RecursionError, KeyError, TypeError):
        raise VL2Error(path, "its categories are none", do="Fetch the file again.") from None
    return JoinedRows(path, (copy, found["images"]), {"annotations": (copy, found["annotations"])},
                      partial(_with_categories, categories))  # fmt: skip


def _with_categories(categories: Mapping[Any, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Return an image whose annotations hold their categories."""
    told = record["annotations"]
    found = [{**one, "category": categories.get(one.get("category_id"))} for one in told if isinstance(one, dict)]
    return {**record, "annotations": found}


def read_detection(raw: Raw, places: int = 0) -> Sample:
    """Return an image with its objects; crowds are of the kind `crowd`.

    `places`: how many last parts of a file's name may be where it lies.
    """
    record = raw.record
    size = number(record, "width"), number(record, "height")
    image = _find(raw, text(record, "file_name"), places)
    check_size(image, size)
    objects, outlines, chinese = [], [], {}
    for one in listed(record, "annotations"):
        category = one["category"]
        if not isinstance(category, dict):
            raise RowError("an annotation of a category that is not listed")
        label = text(category, "name").strip().replace("_", " ")
        objects.append(SceneObject(label, from_xywh(one["bbox"]), 0, CROWD if one.get("iscrowd") else "object"))
        outlines.append(outline_of(one.get("segmentation")))
        if isinstance(category.get("name_zh"), str):
            chinese[label] = category["name_zh"].strip()
    told: dict[str, Any] = {"outlines": outlines} if any(outlines) else {}
    told |= {"label_zh": chinese} if chinese else {}
    told |= {"coco_url": record["coco_url"]} if isinstance(record.get("coco_url"), str) else {}
    sized = replace(image, width=round(size[0]), height=round(size[1]))
    return Sample(name_of(record, ("id",), raw.name), (), (sized,), tuple(objects), provenance=told)


def _find(raw: Raw, name: str, places: int) -> ImageSource:
    parts = PurePosixPath(name).parts
    return raw.pictures.first_of([name, *("/".join(parts[-num:]) for num in range(1, places + 1))])


_FIELDS = {
    "id": "number", "file_name": "text", "width": "number", "height": "number", "annotations": "list",
    "license": "number?", "coco_url": "text?", "flickr_url": "text?", "date_captured": "text?",
}  # fmt: skip

DETECTION = {
    "coco": SourceFormat(
        open_rows=open_coco, read=read_detection, fields=_FIELDS, licence="CC-BY-4.0", url="https://cocodataset.org",
    ),
    # its files are called images/v1/patch8/x.jpg and lie in patch8/x.jpg
    "objects365": SourceFormat(
        open_rows=open_coco, read=partial(read_detection, places=2), fields={**_FIELDS, "url": "text?"},
        licence="academic", url="https://www.objects365.org",
    ),
    "v3det": SourceFormat(
        open_rows=open_coco, read=partial(read_detection, places=2), fields=_FIELDS, licence="CC-BY-4.0",
        url="https://v3det.openxlab.org.cn",
    ),
}  # fmt: skip
