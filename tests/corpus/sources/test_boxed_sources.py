"""Sets with boxes: each in its own layout, unit and origin, all to pixels."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import pytest

from tests.corpus.sources.made import faults, picture, rows_of, usable, write, write_parquet
from vl2.core.errors import VL2Error
from vl2.core.sample import SceneObject
from vl2.corpus.source import Source
from vl2.corpus.sources.check import check_source
from vl2.corpus.sources.flickr30k import read_chains
from vl2.corpus.sources.table import open_source
from vl2.data.faults import RowError
from vl2.processor import image_size


def coco() -> dict:
    """Return two images; of the annotations one is a crowd, one is empty, one is of an image that is not listed."""

    def box(number, image, category, corners, **more):
        return {"id": number, "image_id": image, "category_id": category, "bbox": corners, "area": 1.0, "iscrowd": 0,
                "segmentation": [[1, 2, 21, 2, 21, 14.5, 1, 14.5]], **more}  # fmt: skip

    return {
        "info": {"year": 2017, "note": "curly } and square ] in a text, \u732b"},
        "licenses": [],
        "annotations": [
            box(1, 9, 18, [1, 2, 20, 12.5]),
            box(2, 10, 44, [0.5, 0.5, 63, 47]),
            box(3, 9, 1, [0, 0, 64, 48], iscrowd=1, segmentation={"counts": [1, 2], "size": [48, 64]}),
            box(4, 9, 18, [5, 5, 0, 0]),
            box(5, 77, 18, [5, 5, 1, 1]),
        ],
        "images": [
            {"id": 9, "file_name": "000009.png", "width": 64, "height": 48, "license": 1},
            {"id": 10, "file_name": "000010.png", "width": 64, "height": 48, "license": 1},
        ],
        "categories": [
            {"id": 1, "name": "person", "supercategory": "person"},
            {"id": 18, "name": "dog", "supercategory": "animal"},
            {"id": 44, "name": "hot_dog", "supercategory": "food"},
        ],
    }  # fmt: skip


@pytest.fixture
def coco_file(tmp_path):
    for number in (9, 10):
        write(tmp_path / f"{number:06d}.png", picture(number))
    return write(tmp_path / "instances.json", coco())


def test_coco_keeps_everything_that_is_labelled_in_pixels(coco_file):
    first, second = usable("coco", coco_file)
    assert [(o.label, o.box, o.kind) for o in first.objects] == [
        ("dog", (1, 2, 21, 14.5), "object"), ("person", (0, 0, 64, 48), "crowd"), ("dog", (5, 5, 5, 5), "object"),
    ]  # fmt: skip
    assert second.objects == (SceneObject("hot dog", (0.5, 0.5, 63.5, 47.5)),)
    assert first.provenance["outlines"] == [[1, 2, 21, 2, 21, 14.5, 1, 14.5], [], [1, 2, 21, 2, 21, 14.5, 1, 14.5]]
    assert first.provenance["licence"] == "CC-BY-4.0" and image_size(first.images[0]) == (64, 48)
    assert faults("coco", coco_file) == ["annotations of a row that is not listed"]


def test_coco_is_checked(coco_file):
    found = check_source(Source(name="coco", format="coco", path=str(coco_file)))
    assert (found.num_rows, found.num_usable, found.num_images, found.num_missing) == (3, 2, 2, 0)
    assert not found.is_sound and found.licences == {"CC-BY-4.0": 2} and not found.changed_fields
    (coco_file.parent / "000010.png").unlink()
    assert check_source(Source(name="coco", format="coco", path=str(coco_file))).num_missing == 1


def test_an_image_of_another_size_than_its_boxes_were_told_for_is_a_fault(coco_file):
    write(coco_file.parent / "000009.png", picture(9, (48, 64)))  # as a photo is that is shown turned
    assert "an image is not of the size that its boxes were told for" in faults("coco", coco_file)


def test_objects365_and_v3det_lie_in_other_folders_than_they_say(tmp_path):
    document = coco()
    document["images"][0]["file_name"] = "images/v1/patch8/000009.png"
    write(tmp_path / "patch8/000009.png", picture(9))
    write(tmp_path / "000010.png", picture(10))
    for category in document["categories"]:
        category |= {"name_zh": {"dog": "狗", "person": "人", "hot_dog": "热狗"}[category["name"]], "novel": False}
    path = write(tmp_path / "zhiyuan_objv2_train.json", document)
    assert usable("objects365", path)[0].images[0].path.endswith("patch8/000009.png")
    assert usable("v3det", path)[0].provenance["label_zh"] == {"dog": "狗", "person": "人"}


@pytest.mark.parametrize("wrong", [[1, 2, 3], [1, 2, 3, float("nan")], [1, 2, 3, "x"], None, [1, 2, 3, 1e300]])
def test_a_box_that_is_none_is_a_fault(tmp_path, wrong):
    document = coco()
    document["annotations"][0]["bbox"] = wrong
    for number in (9, 10):
        write(tmp_path / f"{number:06d}.png", picture(number))
    found = rows_of("coco", write(tmp_path / "a.json", document))
    assert [type(row).__name__ for row in found] == ["Fault", "Sample", "Fault"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[1]", "not a JSON object"), ('{"images": [], "annotations": []}', "has no categories"),
     ('{"images": [{', "not JSON"), ('{"images": 1, "annotations": [', "too early"), ("", "too early")],
)  # fmt: skip
def test_a_file_that_is_not_coco_is_one_error(tmp_path, text, reason):
    with pytest.raises(VL2Error, match=reason):
        rows_of("coco", write(tmp_path / "a.json", text))


def test_a_json_file_is_streamed_over_any_border(tmp_path, monkeypatch):
    """Elements are found wherever the reading window ends; texts beyond ASCII keep their places."""
    from vl2.corpus.sources import elements

    path = write(tmp_path / "a.json", coco())
    whole = coco()
    for size in (1, 2, 3, 5, 7, 64):
        monkeypatch.setattr(elements, "_CHUNK", size)
        copy, found = elements.index(str(path), {"images": "id", "annotations": "image_id", "categories": "id"})
        with Path(copy).open("rb") as file:
            for name, part in found.items():
                assert [part.read(file, number) for number in range(len(part))] == whole[name]


def refs() -> list[dict]:
    def ref(number, annotation, image, split, *sentences):
        said = [{"sent": text, "raw": text, "sent_id": n, "tokens": text.split()} for n, text in enumerate(sentences)]
        return {"ref_id": number, "ann_id": annotation, "image_id": image, "category_id": 18, "split": split,
                "file_name": f"COCO_train2014_{image}_0.jpg", "sentences": said, "sent_ids": []}  # fmt: skip

    return [ref(1, 1, 9, "train", "left dog", "the dog", "left dog"), ref(2, 2, 10, "val", "café"),
            ref(3, 77, 9, "train", "gone")]  # fmt: skip


def test_refcoco_joins_references_with_annotations_and_does_not_trust_their_file_names(coco_file):
    data = pickle.dumps(refs(), protocol=2)
    folder = write(coco_file.parent / "refs(unc).p", data).parent
    (row,) = usable("refcoco", folder)
    assert row.objects == (SceneObject("left dog", (1, 2, 21, 14.5)), SceneObject("the dog", (1, 2, 21, 14.5)))
    assert row.images[0].path.endswith("/000009.png") and row.provenance["split"] == "train"
    assert faults("refcoco", folder) == ["a reference to an image or annotation that is not listed"]
    assert [row.objects[0].label for row in usable("refcoco", folder, split="val")] == ["café"]


def test_a_pickle_of_python_2_is_read(coco_file):
    """Byte strings of protocol 0 and 2, as the published files hold them."""
    text = b"(lp0\n(dp1\nS'split'\np2\nS'train'\np3\nsS'ref_id'\np4\nI1\nsS'ann_id'\np5\nI1\nsS'image_id'\np6\nI9\ns"
    text += b"S'category_id'\np7\nI18\nsS'file_name'\np8\nS'x'\np9\nsS'sentences'\np10\n(lp11\n(dp12\nS'sent'\np13\n"
    text += b"S'caf\\xe9'\np14\nsasa."
    (row,) = usable("refcoco", write(coco_file.parent / "refs(google).p", text))
    assert row.objects[0].label == "café"


class Attack:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return open, (str(self.place), "w")


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_something_is_refused(coco_file, protocol):
    place = coco_file.parent / "written"
    write(coco_file.parent / "refs(unc).p", pickle.dumps([Attack(place)], protocol=protocol))
    with pytest.raises(VL2Error, match="holds a program"):
        rows_of("refcoco", coco_file.parent)
    assert not place.exists()


def test_a_pickle_that_would_fill_the_memory_is_refused(coco_file):
    bomb = b"\x80\x02]r" + struct.pack("<I", (1 << 32) - 1) + b"."  # one list, at place 4294967295 of the memo
    write(coco_file.parent / "refs(unc).p", bomb)
    with pytest.raises(VL2Error, match="more memory"):
        rows_of("refcoco", coco_file.parent)


def test_refcoco_mirrors_have_corners(tmp_path):
    rows = [{"captions": ["left dog", "a dog"], "bbox": [1.0, 2.0, 21.0, 14.5], "image_path": "a.png", "split": "train",
             "ref_id": n} for n in range(3)]  # fmt: skip
    write(tmp_path / "a.png", picture())
    found = usable("refcoco_mirror", write_parquet(tmp_path / "a.parquet", rows))
    assert len(found) == 3 and found[0].objects[1] == SceneObject("a dog", (1, 2, 21, 14.5))


def test_visual_genome_writes_sizes_in_two_ways(tmp_path):
    write(tmp_path / "VG_100K_2/7.jpg", picture(1, kind="JPEG"))
    regions = [{"region_id": 1, "image_id": 7, "phrase": " a dog ", "x": 3, "y": 4, "width": 10, "height": 20}]
    objects = [{"object_id": 1, "names": ["dog", "puppy"], "synsets": ["dog.n.01"], "x": 3, "y": 4, "w": 10, "h": 20}]
    first = write(tmp_path / "region_descriptions.json", [{"id": 7, "regions": regions}])
    second = write(tmp_path / "objects.json", [{"image_id": 7, "objects": objects, "image_url": "https://x/7.jpg"}])
    (one,) = usable("visual_genome_regions", first)
    (two,) = usable("visual_genome_objects", second)
    assert one.objects == (SceneObject("a dog", (3, 4, 13, 24), 0, "region"),)
    assert two.objects == (SceneObject("dog", (3, 4, 13, 24)),) and two.provenance["other_names"] == {"dog": ["puppy"]}
    assert one.id == "7" and one.images[0].path.endswith("VG_100K_2/7.jpg")


SENTENCES = """[/EN#1/people Two men] with [/EN#0/other hair] near [/EN#2/scene a yard] .
A plain caption .
[/EN#1/people/animals A man] .
[/EN#9/other Nothing] .
[/EN#1/people They] stand .
"""
ANNOTATIONS = """<annotation><filename>5.png</filename><size><width>64</width><height>48</height><depth>3</depth></size>
<object><name>1</name><name>3</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>10</xmax><ymax>48</ymax></bndbox></object>
<object><name>1</name><bndbox><xmin>20</xmin><ymin>1</ymin><xmax>64</xmax><ymax>48</ymax></bndbox></object>
<object><name>2</name><scene>1</scene><nobndbox>0</nobndbox></object>
<object><name>0</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></object></annotation>"""


def test_flickr30k_counts_pixels_from_one_and_chains_have_many_boxes(tmp_path):
    write(tmp_path / "Sentences/5.txt", SENTENCES)
    write(tmp_path / "Annotations/5.xml", ANNOTATIONS)
    write(tmp_path / "flickr30k-images/5.png", picture())
    found = usable("flickr30k_entities", tmp_path)
    assert len(found) == 5 and found[0].id == "5:0"
    caption = found[0].provenance["caption"]
    assert caption == "Two men with hair near a yard ."
    told = [(caption[start:end], *box) for start, end, *box in found[0].provenance["spans"]]
    assert told == [("Two men", 0, 0, 10, 48), ("Two men", 19, 0, 64, 48)]
    assert found[1].provenance["spans"] == [] and found[2].provenance["caption"] == "A man ."
    assert found[0].provenance["licence"] == "non-commercial research"


@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><size><width>&x;</width></size></annotation>',
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotation>&b;</annotation>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><annotation/>',
    ],
)
def test_annotations_that_fetch_or_expand_are_refused(attack):
    with pytest.raises(RowError, match="declare entities"):
        read_chains(attack.encode())


def test_grit_is_shares_and_floats(tmp_path):
    row = {"key": "000370", "clip_similarity_vitb32": 0.3, "clip_similarity_vitl14": 0.2, "id": 1795, "width": 200,
           "height": 100, "url": "https://example.org/a.jpg?x=1", "caption": "a cup on a desk",
           "noun_chunks": [[0.0, 5.0, 0.1, 0.2, 0.4, 0.6, 0.81], [9.0, 15.0, 0.0, 0.5, 1.0, 1.0, 0.9]],
           "ref_exps": [[0.0, 15.0, 0.1, 0.2, 0.4, 0.6, 0.81]]}  # fmt: skip
    path = write_parquet(tmp_path / "coyo_0.parquet", [row, {**row, "noun_chunks": [[0.0, 99.0, 0, 0, 1, 1, 1]]}])
    write(tmp_path / "00037/000370.jpg", b"no")
    write(tmp_path / "000370.jpg", picture(3, kind="JPEG"))
    (found,) = usable("grit", path)
    told = [(start, end, [round(x, 6) for x in box]) for start, end, *box in found.provenance["spans"]]
    assert told == [(0, 15, [20, 20, 80, 60]), (0, 5, [20, 20, 80, 60]), (9, 15, [0, 50, 200, 100])]
    assert found.provenance["caption"] == row["caption"] and found.provenance["url"] == row["url"]
    assert found.images[0].path.endswith("/000370.jpg") and found.provenance["scores"]["clip_similarity_vitb32"] == 0.3
    assert faults("grit", path) == ["a phrase is not in its caption"]


def test_grit_rows_feed_the_grounded_captions(tmp_path):
    from vl2.corpus.grounding.describe import DescribeGrounded
    from vl2.corpus.ingest import ingest

    row = {"key": "7", "id": 1, "width": 64, "height": 48, "url": "https://example.org/a", "caption": "a cup on a desk",
           "noun_chunks": [[0, 5, 0.1, 0.2, 0.4, 0.6, 0.81]], "ref_exps": []}  # fmt: skip
    write(tmp_path / "7.png", picture())
    source = Source(name="grit", format="grit", path=str(write(tmp_path / "a.jsonl", (row,))))
    changed = DescribeGrounded().change(ingest(open_source(source)[0], source))
    boxes = [part for part in changed.messages[1].parts if hasattr(part, "boxes")]
    assert boxes[0].label == "a cup" and boxes[0].boxes[0].thousandths() == (100, 200, 400, 599)


def test_fields_that_drifted_are_told(tmp_path):
    row = {"id": 7, "regions": [{"phrase": "a", "x": 1, "y": 1, "width": 1, "height": 1}], "coco_id": 3}
    write(tmp_path / "7.jpg", b"GIF? no")
    path = write(tmp_path / "a.json", [row, {**row, "id": "7"}, {"image_id": 8}])
    found = check_source(Source(name="vg", format="visual_genome_regions", path=str(path)))
    assert found.unknown_fields == {"coco_id": 2} and found.missing_fields == {"regions": 1}
    assert found.changed_fields == {"id: str instead of number": 1}
    assert (found.num_rows, found.num_usable, found.num_unknown) == (3, 2, 2)
    assert found.skipped == {"regions is not a list": 1}
    assert json.dumps(found.skipped)
