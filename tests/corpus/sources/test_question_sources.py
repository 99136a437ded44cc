"""Questions with short answers, formulas, and text-only sets."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import pytest

from tests.corpus.sources.made import answer_of, faults, picture, question_of, usable, write, write_parquet
from vl2.core.errors import VL2Error
from vl2.core.sample import SceneObject
from vl2.corpus.source import Source
from vl2.corpus.sources.check import check_source
from vl2.corpus.sources.formulas import unwrapped
from vl2.corpus.sources.table import SOURCES


def is_sound(name: str, path, **more: str) -> bool:
    """Tell whether a source of whole rows has no drift from its fields."""
    return check_source(Source(name="made", format=name, path=str(path), **more)).is_sound


def test_textvqa_joins_its_ocr_and_takes_the_most_frequent_answer(tmp_path):
    row = {"question_id": 34602, "question": "what is the brand?", "image_id": "003a8ae2ef43b901", "image_width": 200,
           "image_height": 100, "answers": ["nous", "dakota", "dakota", "", "clos"], "set_name": "train",
           "flickr_300k_url": "https://x", "flickr_original_url": "https://x", "image_classes": ["Cassette deck"],
           "question_tokens": ["what"]}  # fmt: skip
    box = {"top_left_x": 0.1, "top_left_y": 0.2, "width": 0.3, "height": 0.1, "yaw": 0.0, "roll": 0, "pitch": 0}
    read = {
        "image_id": "003a8ae2ef43b901",
        "ocr_tokens": ["DAKOTA", "up"],
        "ocr_info": [{"word": "DAKOTA", "bounding_box": box}, {"word": "up", "bounding_box": {**box, "yaw": 90}}],
    }
    other = {"image_id": "ffff", "ocr_tokens": [], "ocr_info": []}
    write(tmp_path / "TextVQA_Rosetta_OCR_v0.2_train.json", {"dataset_version": "0.2", "data": [other, read]})
    write(tmp_path / "train_images/003a8ae2ef43b901.jpg", picture(kind="JPEG"))
    path = write(
        tmp_path / "TextVQA_0.5.1_train.json", {"dataset_type": "train", "data": [row, {**row, "answers": []}]}
    )
    (found,) = usable("textvqa", path)
    assert found.answers == ("dakota", "nous", "clos") and answer_of(found) == "dakota" and found.id == "34602"
    assert found.provenance["ocr"] == ["DAKOTA", "up"]
    (word,) = found.objects
    assert (word.label, word.kind, word.box) == ("DAKOTA", "word", pytest.approx((20, 20, 80, 30)))
    assert faults("textvqa", path) == ["a question without an answer"]


def test_docvqa_tells_its_split(tmp_path):
    row = {"questionId": 337, "question": "What is the date?", "image": "documents/xnbl0037_1.png", "docId": 279,
           "ucsf_document_id": "xnbl0037", "ucsf_document_page_no": "1", "answers": ["1/8/93", "1-8-93"],
           "data_split": "train"}  # fmt: skip
    write(tmp_path / "documents/xnbl0037_1.png", picture())
    path = write(tmp_path / "train_v1.0.json", {"dataset_name": "docvqa", "data": [row, {**row, "data_split": "test"}]})
    (found,) = usable("docvqa", path)
    assert found.answers == ("1/8/93", "1-8-93") and found.provenance["document_id"] == "xnbl0037"
    assert faults("docvqa", path) == ["a row of another split"]


def test_vqav2_joins_two_files(tmp_path):
    questions = [{"image_id": 458752, "question": "What is this?", "question_id": n} for n in (458752000, 458752001)]
    annotation = {"question_type": "what is this", "multiple_choice_answer": "net", "image_id": 458752,
                  "answers": [{"answer": "mesh", "answer_id": 1}, {"answer": "net", "answer_id": 2}],
                  "answer_type": "other",
                  "question_id": 458752000}  # fmt: skip
    write(tmp_path / "v2_OpenEnded_mscoco_train2014_questions.json", {"info": {}, "questions": questions})
    write(tmp_path / "v2_mscoco_train2014_annotations.json", {"annotations": [annotation]})
    write(tmp_path / "train2014/COCO_train2014_000000458752.jpg", picture(kind="JPEG"))
    (found,) = usable("vqav2", tmp_path)
    assert found.answers == ("net", "mesh") and found.images[0].path.endswith("COCO_train2014_000000458752.jpg")
    assert faults("vqav2", tmp_path) == ["a question without its one annotation"]


def test_gqa_and_kvqa_are_objects_by_key(tmp_path):
    gqa = {"02930152": {"question": "Is the sky dark?", "answer": "yes", "fullAnswer": "Yes, the sky is dark.",
                        "imageId": "2354786", "semantic": [], "isBalanced": True}}  # fmt: skip
    write(tmp_path / "images/2354786.jpg", picture(kind="JPEG"))
    path = write(tmp_path / "train_balanced_questions.json", gqa)
    (found,) = usable("gqa", path)
    assert found.id == "02930152" and found.answers == ("yes", "Yes, the sky is dark.") and is_sound("gqa", path)
    kvqa = {"21717": {"imgPath": "KVQAimgs/21717.jpg", "wikiCap": "Diebold, 2007", "Questions": ["Who?", "How many?"],
                      "Answers": ["Foster", 2], "NamedEntities": ["Foster"], "split": [1, 2]},
            "2": {"imgPath": "KVQAimgs/21717.jpg", "Questions": ["Who?"], "Answers": []}}  # fmt: skip
    write(tmp_path / "KVQAimgs/21717.jpg", picture(kind="JPEG"))
    path = write(tmp_path / "dataset.json", kvqa)
    (found,) = usable("kvqa", path)
    assert len(found.messages) == 4 and answer_of(found) == "2" and found.provenance["caption"] == "Diebold, 2007"
    assert found.provenance["metadata"] == {"persons": "Foster"}


def test_iconqa_has_choices_of_pictures(tmp_path):
    write(tmp_path / "train/choose_img/7/data.json",
          {"question": "Which is round?", "choices": ["choice_0.png", "choice_1.png"], "answer": 1,
           "grade": "1"})  # fmt: skip
    for name in ("image", "choice_0", "choice_1"):
        write(tmp_path / f"train/choose_img/7/{name}.png", picture())
    write(tmp_path / "train/choose_txt/8/data.json", {"question": "How many?", "choices": ["2", "3"], "answer": 0})
    write(tmp_path / "train/choose_txt/8/image.png", picture())
    write(tmp_path / "train/fill_in_blank/9/data.json", {"question": "Count.", "answer": "10"})
    write(tmp_path / "train/fill_in_blank/9/image.png", picture())
    write(tmp_path / "val/fill_in_blank/10/data.json", {"question": "Count.", "answer": "10"})
    write(tmp_path / "val/fill_in_blank/10/image.png", picture())
    pictures, words, blank = usable("iconqa", tmp_path)
    assert len(pictures.images) == 3 and answer_of(pictures) == "B"
    assert words.answers == ("A. 2", "2") and blank.answers == ("10",)
    write(tmp_path / "train/choose_img/7/data.json", {"question": "?", "choices": ["../../../x.png"], "answer": 0})
    assert faults("iconqa", tmp_path / "train") == ["an image path leaves its root"]


def test_scienceqa_has_questions_without_a_picture(tmp_path):
    row = {"image": {"bytes": picture(), "path": "a.png"}, "question": "Which?", "choices": ["cat", "dog"], "answer": 1,
           "hint": "Look.", "task": "closed choice", "grade": "grade2", "subject": "natural science",
           "topic": "biology",
           "category": "Animals", "skill": "Name", "lecture": "Cats purr.", "solution": "It barks."}  # fmt: skip
    path = write_parquet(tmp_path / "train.parquet", [row, {**row, "image": None}, {**row, "answer": 2}])
    first, second = usable("scienceqa", path)
    assert question_of(first) == "Look.\nWhich?\nA. cat\nB. dog" and answer_of(first) == "B. dog"
    assert first.answers == ("B. dog", "dog") and not second.images
    assert first.provenance["metadata"] == {"lecture": "Cats purr.", "solution": "It barks."}
    assert faults("scienceqa", path) == ["an answer that is none of the choices"]


def test_latex_ocr_pairs_images_with_lines_by_number(tmp_path):
    text = write(tmp_path / "math.txt", "\\alpha\n$$ x^{2} $$\r\n\\frac{1}{2}\n")
    for name in ("train/0000001.png", "train/0000002.png", "val/0.png", "train/0000099.png", "train/cover.png"):
        write(tmp_path / "images" / name, picture())
    found = usable("latex_ocr", text, images=str(tmp_path / "images"))
    assert [(row.id, row.answers) for row in found] == [
        ("train/0000001", ("x^{2}",)), ("train/0000002", ("\\frac{1}{2}",)),
    ]  # fmt: skip
    assert faults("latex_ocr", text, images=str(tmp_path / "images")) == [
        "an image whose number is beyond the last formula", "a row of another split",
    ]  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("train/0000001.png", picture(3))
        archive.writestr("../train/0000002.png", picture(4))
    write(tmp_path / "formulae.zip", out.getvalue())
    (first, second) = usable("latex_ocr", text, images=str(tmp_path / "formulae.zip"))
    assert {first.images[0].data, second.images[0].data} == {picture(3), picture(4)}  # names lead nowhere


def test_latex_ocr_in_parquet_and_hme100k(tmp_path):
    row = {"image": {"bytes": picture(), "path": None}, "text": "\\[ a + b \\]"}
    assert usable("latex_ocr_parquet", write_parquet(tmp_path / "a.parquet", [row]))[0].answers == ("a + b",)
    write(tmp_path / "hme/train_labels.txt", "train_0.jpg\tx ^ { 2 }\nno tab\n")
    write(tmp_path / "hme/train_images/train_0.jpg", picture(kind="JPEG"))
    (found,) = usable("hme100k", tmp_path / "hme")
    assert found.answers == ("x ^ { 2 }",) and faults("hme100k", tmp_path / "hme") == ["a line without a tab"]
    assert unwrapped("$a$ and $b$") == "$a$ and $b$" and unwrapped("$$$$") == "$$$$"


def tar_of(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.type = (len(data), kind) if kind == tarfile.REGTYPE else (0, kind)
            member.linkname = "/etc/passwd"
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_rendered_text_is_a_list_of_lines(tmp_path):
    points = [[1, 2], [30, 2], [30, 9], [1, 9]]
    told = {"ocr_annotation": {"text": ["Dear", "Sir,"], "bounding_boxes": [points, points], "font": "x"}}
    members = {"a1.png": picture(), "a1.json": json.dumps(told).encode(), "a2.png": picture()}
    path = write(tmp_path / "000044.tar", tar_of({**members, "a2.json": b'{"ocr_annotation": {"text": "x"}}'}))
    (found,) = usable("rendered_text", path)
    assert answer_of(found) == "Dear\nSir," and found.objects[0] == SceneObject("Dear", (1, 2, 30, 9), 0, "line")
    assert found.provenance["licence"] == "unknown" and found.images[0].data == picture()
    assert faults("rendered_text", path) == ["an image without lines"]


def test_an_archive_of_rows_cannot_lead_out_of_it(tmp_path):
    up = write(tmp_path / "up.tar", tar_of({"../a.json": b"{}"}))
    link = write(tmp_path / "link.tar", tar_of({"a.png": b""}, tarfile.SYMTYPE))
    assert faults("rendered_text", up) == ["a member's name leaves the archive"]
    assert faults("rendered_text", link) == ["a link in the archive"]


@pytest.mark.parametrize(
    ("name", "row", "question", "answer", "gold"),
    [
        ("gsm8k", {"question": "How many?", "answer": "2+2=<<2+2=4>>4 clips.\n#### 1,004"}, "How many?",
         "2+2=<<2+2=4>>4 clips.\n#### 1,004", ("1004",)),
        ("mathqa", {"Problem": "speed?", "Rationale": '"s = 72"', "options": "a ) 1,000 , b ) 72 km/h , c ) 3",
                    "correct": "b", "category": "physics", "annotated_formula": "x", "linear_formula": "y"},
         "speed?\nA. 1,000\nB. 72 km/h\nC. 3", "s = 72\nAnswer: B. 72 km/h", ("72 km/h", "B")),
        ("dolly", {"instruction": "Name it.", "context": "A dog.", "response": "Dog", "category": "closed_qa"},
         "Name it.\n\nA dog.", "Dog", ()),
        ("alpaca_gpt4", {"instruction": "Hi", "input": "", "output": "Hello"}, "Hi", "Hello", ()),
        ("coig_cqia", {"instruction": "你好", "input": "", "output": "您好", "task_type": {"major": [], "minor": []},
                       "domain": [], "answer_from": "human", "human_verified": True, "copyright": "x"},
         "你好", "您好", ()),
        ("orca_math", {"question": "1+1?", "answer": "2"}, "1+1?", "2", ()),
        ("open_math_instruct_2", {"problem": "1+1?", "generated_solution": "It is 2.", "expected_answer": "2",
                                  "problem_source": "augmented"}, "1+1?", "It is 2.", ("2",)),
        ("oss_instruct", {"lang": "python", "raw_index": 1, "index": 2, "seed": "x", "problem": "Sort.",
                          "solution": "sorted(x)"}, "Sort.", "sorted(x)", ()),
        ("metamathqa", {"query": "1+1?", "response": "2", "type": "GSM", "original_question": "x"}, "1+1?", "2", ()),
        ("magpie", {"instruction": "Hi", "response": "Hello", "conversations": None, "difficulty": "easy"}, "Hi",
         "Hello", ()),
        ("magpie", {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}, "Hi",
         "Hello", ()),
    ],
)  # fmt: skip
def test_text_only_sets_have_their_own_names(tmp_path, name, row, question, answer, gold):
    path = write(tmp_path / "a.jsonl", (row,))
    (found,) = usable(name, path)
    assert (question_of(found), answer_of(found), found.answers) == (question, answer, gold)
    assert found.provenance["licence"] == SOURCES[name].licence and is_sound(name, path)


@pytest.mark.parametrize(("name", "row"), [
    ("gsm8k", {"question": "x", "answer": "no result"}),
    ("mathqa", {"Problem": "x", "Rationale": "y", "options": "['a', 'b']", "correct": "a"}),
    ("dolly", {"instruction": "", "context": "", "response": "x"}),
    ("orca_math", {"question": "x", "answer": 5}),
])  # fmt: skip
def test_text_rows_without_an_answer_are_faults(tmp_path, name, row):
    assert len(faults(name, write(tmp_path / "a.jsonl", (row,)))) == 1


def test_an_unknown_format_names_the_nearest(tmp_path):
    with pytest.raises(VL2Error, match="'textvqa'"):
        usable("textvqua", write(tmp_path / "a.json", {}))
