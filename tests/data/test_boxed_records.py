"""Boxes of every annotation format become the same answers in 0..999, and broken ones are counted."""

from __future__ import annotations

import gzip
import json
import pickle

import pytest
from PIL import Image

from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.core.sample import BoxesPart, ImagePart, Message, TextPart
from vl2.data.records import open_records, verify
from vl2.processor.grounding import render

WIDTH, HEIGHT = 200, 100
DOG, CAT = (20, 10, 100, 50), (0, 0, 200, 100)  # x1, y1, x2, y2 in pixels
BOXES = {"dog": Box(100, 100, 500, 500), "cat": Box(0, 0, 999, 999)}


def answers(samples) -> dict[str, str]:
    """Return what is answered to each question, as the model would write it, after checking the questions."""
    found = {}
    for sample in samples:
        question, answer = sample.messages
        (part,) = answer.parts
        assert question == Message("user", (ImagePart(), TextPart("\n"), BoxesPart(part.label, ())))
        assert len(sample.images) == 1
        found[part.label] = render(part.label, part.boxes)
    return found


def expected(*labels: str) -> dict[str, str]:
    return {label: render(label, [BOXES[label]]) for label in labels}


def coco(**more: object) -> dict[str, object]:
    def annotation(number: int, category: int, corners, **fields: object) -> dict[str, object]:
        x1, y1, x2, y2 = corners
        box = [x1, y1, x2 - x1, y2 - y1]
        return {"id": number, "image_id": 9, "category_id": category, "bbox": box, "iscrowd": 0, **fields}

    return {
        "images": [
            {"id": 9, "file_name": "a.png", "width": WIDTH, "height": HEIGHT},
            {"id": 10, "file_name": "empty.png", "width": 5, "height": 5},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 90, "name": "cat"}],  # numbers with gaps, as COCO's
        "annotations": [
            annotation(1, 18, DOG),
            annotation(2, 90, (-30, -5, 240, 120)),  # over the edge: clipped to the image
            annotation(3, 18, DOG, iscrowd=1),
            annotation(4, 18, (50, 50, 50, 80)),
            annotation(5, 18, (300, 0, 400, 50)),
            annotation(6, 1, DOG),
            annotation(7, 18, DOG, bbox=[1, 2, 3]),
            annotation(8, 18, DOG, image_id=404),
            annotation(9, 18, (float("nan"), 0, 5, 5)),
        ],
        **more,
    }


def test_coco(tmp_path):
    (tmp_path / "instances.json").write_text(json.dumps(coco()))
    records = open_records(str(tmp_path / "instances.json"))
    assert answers(records.usable()) == expected("dog", "cat")
    assert verify(records).skipped == {
        "a box that is empty or outside its image": 3,
        "an annotation misses a field or has one of the wrong type": 2,
        "an annotation of an image that is not listed": 1,
    }
    assert next(records.usable()).images[0].path == str((tmp_path / "a.png").resolve())
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(json.dumps(coco()).encode()))
    assert answers(open_records(str(tmp_path / "packed.json.gz")).usable()) == expected("dog", "cat")


def test_several_boxes_of_a_label_are_one_answer_from_top_to_bottom(tmp_path):
    boxes = [[100, 60, 20, 10], [0, 5, 10, 10], [50, 5, 10, 10]]
    annotations = [{"image_id": 9, "category_id": 18, "bbox": box} for box in boxes]
    (tmp_path / "a.json").write_text(json.dumps(coco(annotations=annotations)))
    (sample,) = open_records(str(tmp_path / "a.json"))
    (part,) = sample.messages[1].parts
    assert [(box.x1, box.y1) for box in part.boxes] == [(0, 50), (250, 50), (500, 599)]


def test_refcoco_as_it_is_published(tmp_path):
    (tmp_path / "instances.json").write_text(json.dumps(coco()))

    def ref(number: int, annotation: int, split: str, *sentences: str) -> dict[str, object]:
        said = [{"sent": text, "raw": text, "sent_id": n, "tokens": text.split()} for n, text in enumerate(sentences)]
        return {"ref_id": number, "ann_id": annotation, "image_id": 9, "category_id": 18, "split": split,
                "file_name": "COCO_train2014_000000000009_0.jpg", "sentences": said, "sent_ids": []}  # fmt: skip

    refs = [ref(1, 1, "train", "left dog", "the dog"), ref(2, 1, "val", "no"), ref(3, 77, "train", "gone")]
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))
    records = open_records(str(tmp_path / "refs(unc).p"))
    assert answers(records.usable()) == {label: render(label, [BOXES["dog"]]) for label in ("left dog", "the dog")}
    assert len(records) == 3 and sum(verify(records).skipped.values()) == 1


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    (tmp_path / "instances.json").write_text(json.dumps(coco()))
    (tmp_path / "refs.p").write_bytes(pickle.dumps([Attack()]))
    with pytest.raises(VL2Error, match="cannot be read: holds"):
        open_records(str(tmp_path / "refs.p"))
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("names", ["names: [dog, cat]", "names:\n  0: dog\n  1: cat\ntrain: images/train\nnc: 2"])
def test_yolo(tmp_path, names):
    for folder in ("images/train", "labels/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data.yaml").write_text(names)
    for name in ("a", "unlabelled", "empty"):
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / f"images/train/{name}.jpg")
    lines = ["0 0.3 0.3 0.4 0.4", "1 0 0 1 0 1 1 0 1", "", "2 0.5 0.5 1 1", "0 x", "0 0.5 0.5", "0 0.5 0.5 0 1"]
    (tmp_path / "labels/train/a.txt").write_text("\n".join(lines))
    (tmp_path / "labels/train/empty.txt").write_text("")
    records = open_records(str(tmp_path))
    assert answers(records.usable()) == expected("dog", "cat")
    assert verify(records).skipped == {
        "a class that is not listed": 1,
        "a line of labels is not numbers": 1,
        "a line of labels has the wrong length": 1,
        "a box that is empty or outside its image": 1,
    }


def test_yolo_pictures_to_test_on_are_not_learned_from(tmp_path):
    for split in ("train", "valid"):
        for folder in ("images", "labels"):
            (tmp_path / split / folder).mkdir(parents=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / split / "images" / "a.jpg")
        label = "0 0.3 0.3 0.4 0.4" if split == "train" else "1 0.5 0.5 1 1"
        (tmp_path / split / "labels" / "a.txt").write_text(label)
    for told in ("train: ../train/images", "path: .\ntrain: [train/images]", f"train: {tmp_path}/train/images"):
        (tmp_path / "data.yaml").write_text(f"names: [dog, cat]\n{told}\nval: ../valid/images\n")
        assert answers(open_records(str(tmp_path))) == expected("dog")
    for nowhere in ("train: ../../elsewhere", "train: list.txt", "train: 3"):
        (tmp_path / "data.yaml").write_text(f"names: [dog, cat]\n{nowhere}\n")
        assert len(open_records(str(tmp_path))) == 2


def test_yolo_classes_that_cannot_be_told_apart(tmp_path):
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.3 0.3 0.4 0.4")
    (tmp_path / "classes.txt").write_bytes(b"caf\xe9\n")
    assert answers(open_records(str(tmp_path)).usable()), "a name in another encoding is not the end"
    (tmp_path / "data.yaml").write_text("names: {a: cat}")
    with pytest.raises(VL2Error, match="a class has no number"):
        open_records(str(tmp_path))


def test_yolo_labels_beside_their_images(tmp_path):
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.3 0.3 0.4 0.4\n")
    assert answers(open_records(str(tmp_path))) == expected("dog")


def test_labelme(tmp_path):
    def shape(label, points, kind="rectangle"):
        return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}}

    (tmp_path / "ann").mkdir()
    document = {
        "version": "5.4.1", "flags": {}, "imagePath": "..\\img\\a.png", "imageData": None,
        "imageHeight": HEIGHT, "imageWidth": WIDTH,
        "shapes": [
            shape("dog", [[100, 50], [20, 10]]),  # drawn from the lower right
            shape("cat", [[0, 100], [100, 0], [200, 50]], "polygon"),
            shape("dot", [[5, 5]], "point"),
            shape("sun", [[100, 50], [124, 82]], "circle"),  # its middle, and a point of it
        ],
    }  # fmt: skip
    (tmp_path / "ann" / "a.json").write_text(json.dumps(document))
    (tmp_path / "ann" / "b.json").write_text(json.dumps(document | {"imageWidth": 0}))
    records = open_records(str(tmp_path / "ann"), images=str(tmp_path))
    sun = Box.from_pixels(60, 10, 140, 90, width=WIDTH, height=HEIGHT)
    assert answers(records.usable()) == expected("dog", "cat") | {"sun": render("sun", [sun])}
    assert next(records.usable()).images[0].path == str((tmp_path / "img" / "a.png").resolve())
    assert verify(records).skipped == {
        "a box that is empty or outside its image": 1,
        "a LabelMe file misses a field or has one of the wrong type": 1,
    }
    outside = verify(open_records(str(tmp_path / "ann")))
    assert outside.num_usable == 0 and outside.skipped["an image path leaves its root"] == 1


def test_other_json_is_refused_with_what_is_in_it(tmp_path):
    (tmp_path / "a.json").write_text('{"data": []}')
    with pytest.raises(VL2Error, match=r"neither an array of records nor annotations \(got data"):
        open_records(str(tmp_path / "a.json"))
    (tmp_path / "a.json").write_text('{"a": 1}\n{"a": 2}\n')
    with pytest.raises(VL2Error, match=r"not JSON.*Name a file of one object a line \.jsonl"):
        open_records(str(tmp_path / "a.json"))
