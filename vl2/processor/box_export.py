"""The boxes of grounded answers in the formats of other tools: COCO, YOLO, LabelMe and supervision.

Corners are in pixels of the whole image, as fractions: rounding them to whole pixels is up to the reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.processor.grounding import Span

if TYPE_CHECKING:
    import supervision

NO_LABEL = "object"  # the class of boxes that were written without a label
_PIXEL_DIGITS = 3  # a thousandth of a pixel: far below a step of the model's coordinates
_UNIT_DIGITS = 6
_LABELME_VERSION = "5.5.0"  # the layout that is written here


def class_names(spans: Sequence[Span], known: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the labels that have boxes, each once and in order, behind those that are known already."""
    return tuple(dict.fromkeys((*known, *(label for label, _ in _labelled_boxes(spans)))))


def to_coco(
    spans: Sequence[Span], *, width: int, height: int, file_name: str, names: Sequence[str] = ()
) -> dict[str, Any]:
    """Return COCO annotations of one image; categories are numbered from 1, `names` first."""
    _check_size(width, height)
    found = class_names(spans, names)
    annotations = []
    for number, (label, box) in enumerate(_labelled_boxes(spans), 1):
        left, top, right, bottom = _corners(box, width, height)
        size = [round(right - left, _PIXEL_DIGITS), round(bottom - top, _PIXEL_DIGITS)]
        annotations.append({
            "id": number, "image_id": 1, "category_id": found.index(label) + 1, "bbox": [left, top, *size],
            "area": round(size[0] * size[1], _PIXEL_DIGITS), "segmentation": [], "iscrowd": 0,
        })  # fmt: skip
    return {
        "images": [{"id": 1, "file_name": file_name, "width": width, "height": height}],
        "annotations": annotations,
        "categories": [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(found, 1)],
    }


def to_yolo(spans: Sequence[Span], *, names: Sequence[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Return lines of `class cx cy width height` in 0..1, and the names of the classes, `names` first.

    Give the names of one image to the next, and the classes of a data set get one numbering.
    """
    found = class_names(spans, names)
    lines = []
    for label, box in _labelled_boxes(spans):
        left, top, right, bottom = box.unit()
        values = (*box.center(), right - left, bottom - top)
        lines.append(" ".join((str(found.index(label)), *(f"{value:.{_UNIT_DIGITS}f}" for value in values))))
    return "".join(f"{line}\n" for line in lines), found


def to_labelme(spans: Sequence[Span], *, width: int, height: int, image_path: str) -> dict[str, Any]:
    """Return a LabelMe file of rectangles; `image_path` is relative to where that file will stand."""
    _check_size(width, height)
    shapes = []
    for label, box in _labelled_boxes(spans):
        left, top, right, bottom = _corners(box, width, height)
        shapes.append({
            "label": label, "points": [[left, top], [right, bottom]], "shape_type": "rectangle", "group_id": None,
            "description": "", "flags": {}, "mask": None,
        })  # fmt: skip
    return {
        "version": _LABELME_VERSION, "flags": {}, "shapes": shapes, "imagePath": image_path, "imageData": None,
        "imageHeight": height, "imageWidth": width,
    }  # fmt: skip


def to_supervision(
    spans: Sequence[Span], *, width: int, height: int, names: Sequence[str] = ()
) -> supervision.Detections:
    """Return supervision's Detections, the labels in `data["class_name"]`.

    Raises VL2Error when supervision is not installed.
    """
    _check_size(width, height)
    try:
        from supervision import Detections
    except ImportError:
        raise VL2Error("supervision", "not installed", do="Run: pip install supervision") from None
    pairs = list(_labelled_boxes(spans))
    found = class_names(spans, names)
    corners = [_corners(box, width, height) for _, box in pairs]
    return Detections(
        xyxy=np.array(corners, dtype=np.float32).reshape(-1, 4),
        class_id=np.array([found.index(label) for label, _ in pairs], dtype=np.int64),
        data={"class_name": np.array([label for label, _ in pairs], dtype=np.str_)},
    )


def _labelled_boxes(spans: Sequence[Span]) -> Iterator[tuple[str, Box]]:
    for span in spans:
        for box in span.boxes:
            yield span.label or NO_LABEL, box


def _corners(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = box.unit()
    x1, x2 = (round(value * width, _PIXEL_DIGITS) for value in (left, right))
    y1, y2 = (round(value * height, _PIXEL_DIGITS) for value in (top, bottom))
    return x1, y1, x2, y2


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise VL2Error("image", "has no pixels", got=f"{width}x{height}")
