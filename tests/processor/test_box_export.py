"""Boxes in other tools' formats: hand-made cases, and the way back to the same boxes."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.processor.box_export import NO_LABEL, class_names, to_coco, to_labelme, to_supervision, to_yolo
from vl2.processor.grounding import parse, render

SPANS = parse(
    "Two " + render("cat", (Box(0, 0, 999, 999), Box(111, 222, 333, 444))) + " and "
    + render("big dog", (Box(500, 500, 500, 600),)) + ". <|det|>[[1, 2, 3, 4]]<|/det|> <|ref|>none<|/ref|> "
    + render("cat", (Box(1, 1, 2, 2),))
)  # fmt: skip
LABELS = ["cat", "cat", "big dog", NO_LABEL, "cat"]
NAMES = ("cat", "big dog", NO_LABEL)
CORNERS = [  # of an image of 1998x999 pixels
    (0, 0, 1998, 999), (222, 222, 666, 444), (1000, 500, 1000, 600), (2, 2, 6, 4), (2, 1, 4, 2),
]  # fmt: skip
SIZE = {"width": 1998, "height": 999}

sides = st.tuples(st.integers(0, 999), st.integers(0, 999)).map(sorted)
boxes = st.tuples(sides, sides).map(lambda s: Box(s[0][0], s[1][0], s[0][1], s[1][1]))


def test_class_names():
    assert class_names(SPANS) == NAMES
    assert class_names(SPANS, ["dog", "cat"]) == ("dog", "cat", "big dog", NO_LABEL)
    assert class_names(()) == ()


def test_coco():
    coco = to_coco(SPANS, **SIZE, file_name="a/b.jpg")
    assert coco["images"] == [{"id": 1, "file_name": "a/b.jpg", "width": 1998, "height": 999}]
    assert [(category["id"], category["name"]) for category in coco["categories"]] == list(enumerate(NAMES, 1))
    assert [NAMES[found["category_id"] - 1] for found in coco["annotations"]] == LABELS
    assert [found["id"] for found in coco["annotations"]] == [1, 2, 3, 4, 5]
    assert [tuple(found["bbox"]) for found in coco["annotations"]] == [
        (x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in CORNERS
    ]
    assert coco["annotations"][1]["area"] == 444 * 222
    assert json.loads(json.dumps(coco)) == coco


def test_coco_with_known_categories():
    coco = to_coco(SPANS, **SIZE, file_name="b.jpg", names=["dog", "cat"])
    assert [category["name"] for category in coco["categories"]] == ["dog", "cat", "big dog", NO_LABEL]
    assert [found["category_id"] for found in coco["annotations"]] == [2, 2, 3, 4, 2]


def test_yolo():
    text, names = to_yolo(SPANS)
    assert names == NAMES
    lines = [line.split() for line in text.splitlines()]
    assert [NAMES[int(line[0])] for line in lines] == LABELS
    assert lines[0][1:] == ["0.500000", "0.500000", "1.000000", "1.000000"]
    assert lines[1][1:] == ["0.222222", "0.333333", "0.222222", "0.222222"]
    assert text.endswith("\n") and to_yolo(()) == ("", ())
    _, names = to_yolo(parse(render("ant", (Box(0, 0, 1, 1),))), names=names)
    assert names == (*NAMES, "ant")


def test_labelme():
    labelme = to_labelme(SPANS, **SIZE, image_path="b.jpg")
    assert [shape["label"] for shape in labelme["shapes"]] == LABELS
    assert [(*shape["points"][0], *shape["points"][1]) for shape in labelme["shapes"]] == CORNERS
    assert {shape["shape_type"] for shape in labelme["shapes"]} == {"rectangle"}
    assert (labelme["imagePath"], labelme["imageWidth"], labelme["imageHeight"]) == ("b.jpg", 1998, 999)
    assert labelme["imageData"] is None and json.loads(json.dumps(labelme)) == labelme


@given(boxes, st.integers(1, 20_000), st.integers(1, 20_000))
def test_the_same_box_comes_back(box, width, height):
    spans = parse(render("x", (box,)))
    (annotation,) = to_coco(spans, width=width, height=height, file_name="")["annotations"]
    left, top, wide, high = annotation["bbox"]
    assert Box.from_pixels(left, top, left + wide, top + high, width=width, height=height) == box
    assert 0 <= left <= left + wide <= width + 1e-9 and 0 <= top <= top + high <= height + 1e-9
    (shape,) = to_labelme(spans, width=width, height=height, image_path="")["shapes"]
    start, stop = shape["points"]
    assert Box.from_pixels(*start, *stop, width=width, height=height) == box
    _, cx, cy, wide, high = map(float, to_yolo(spans)[0].split())
    unit = (cx - wide / 2, cy - high / 2, cx + wide / 2, cy + high / 2)
    assert Box.from_pixels(*unit, width=1, height=1) == box


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, -1)])
def test_an_image_without_pixels_is_refused(width, height):
    for export in (lambda: to_coco(SPANS, width=width, height=height, file_name=""),
                   lambda: to_labelme(SPANS, width=width, height=height, image_path=""),
                   lambda: to_supervision(SPANS, width=width, height=height)):  # fmt: skip
        with pytest.raises(VL2Error, match="no pixels"):
            export()


def test_supervision_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(VL2Error, match="pip install supervision"):
        to_supervision(SPANS, **SIZE)


def test_what_supervision_is_given(monkeypatch):
    class Detections:
        def __init__(self, **fields):
            self.__dict__ |= fields

    fake = ModuleType("supervision")
    fake.Detections = Detections  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", fake)
    found = to_supervision(SPANS, **SIZE, names=["dog"])
    assert found.xyxy.dtype == np.float32 and found.xyxy.tolist() == [list(map(float, c)) for c in CORNERS]
    assert found.class_id.tolist() == [1, 1, 2, 3, 1]
    assert found.data["class_name"].tolist() == LABELS
    none = to_supervision((), **SIZE)
    assert none.xyxy.shape == (0, 4) and len(none.class_id) == len(none.data["class_name"]) == 0


def test_supervision_itself():
    supervision = pytest.importorskip("supervision")
    found = to_supervision(SPANS, **SIZE)
    assert isinstance(found, supervision.Detections) and len(found) == len(LABELS)
    assert found[found.class_id == 1].data["class_name"].tolist() == ["big dog"]
    assert len(to_supervision((), **SIZE)) == 0
