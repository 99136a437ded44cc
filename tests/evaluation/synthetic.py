"""Little files in the true format of every benchmark, drawn here: two or three rows each, with the known traps."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
from PIL import Image, ImageDraw
from pyarrow import parquet

SIDE = 64


def picture(text: str = "", colour: str = "red") -> bytes:
    """Return a PNG of a coloured square and a word."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((8, 8, 40, 40), fill=colour)
    pen.text((4, 46), text, fill="black")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def struct(data: bytes) -> dict:
    return {"bytes": data, "path": None}


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


A, B = picture("a"), picture("b", "blue")

# --- columns of the hub ----------------------------------------------------------------------------------------------

PARQUET: dict[str, list[dict]] = {
    "docvqa": [
        {"questionId": str(n), "question": "what is the total?", "question_types": ["form"], "image": struct(A),
         "docId": 7, "answers": ["12.00", "$12.00"], "data_split": "val"} for n in (1, 2)
    ],
    "infovqa": [
        {"questionId": "9", "question": "how many?", "answers": ["42 %"], "answer_type": ["single span"],
         "image": struct(A), "image_url": "u", "ocr": "[]"}
    ],
    "chartqa": [
        {"type": "human_test", "question": "how much?", "answer": "14", "image": struct(A)},
        {"type": "augmented_test", "question": "which year?", "answer": "2010", "image": struct(B)},
    ],
    "textvqa": [
        {"question_id": 5, "question": "What IS written?", "answers": ["stop"] * 9 + ["halt"], "image": struct(A),
         "image_id": "x", "ocr_tokens": ["stop"]}
    ],
    "realworldqa": [
        {"image": struct(A), "question": "Which way?\nA. Left\nB. Right\nPlease answer directly with only the letter "
         "of the correct option and nothing else.", "answer": "B"},
        {"image": struct(B), "question": "How many cars?\nPlease answer directly with a single word or number.",
         "answer": "3"},
    ],
    "ocrbench": [
        {"dataset": "IIIT5K", "question": "what is written in the image?", "question_type": "Regular Text Recognition",
         "answer": ["CENTRE"], "image": struct(A)},
        {"dataset": "HME100k", "question": "Please write out the expression.",
         "question_type": "Handwritten Mathematical Expression Recognition", "answer": ["x^2"], "image": struct(B)},
    ],
    "ai2d": [{"question": "What does A show?", "options": ["heart", "lung"], "answer": "1", "image": struct(A)}],
    "ai2d_no_mask": [{"question": "What is this?", "options": ["heart", "lung"], "answer": "0", "image": struct(A)}],
    "mmmu": [
        {"id": "validation_Art_1", "question": "<image 1> Which?", "options": "['$6', '$7']", "explanation": "",
         "image_1": struct(A), "image_2": None, "answer": "B", "question_type": "multiple-choice"},
        {"id": "validation_Art_2", "question": "<image 1> How much?", "options": "[]", "explanation": "",
         "image_1": struct(A), "image_2": None, "answer": "3", "question_type": "open"},
    ],
    "mmstar": [
        {"index": 0, "question": "Which colour?\nOptions: A: red, B: blue, C: a, b and c, D: none", "image": struct(A),
         "answer": "A", "category": "coarse perception", "l2_category": "image emotion"}
    ],
    "mathvista": [
        {"pid": "1", "question": "How long?", "image": "images/1.jpg", "decoded_image": struct(A), "choices": None,
         "unit": None, "precision": 1.0, "answer": "1.2", "question_type": "free_form", "answer_type": "float",
         "metadata": {"task": "geometry", "skills": ["algebraic reasoning"]}, "query": "Hint: a number.\nHow long?"},
        {"pid": "2", "question": "Which?", "image": "images/2.jpg", "decoded_image": struct(B),
         "choices": ["3/11", "8/11"], "unit": None, "precision": None, "answer": "8/11",
         "question_type": "multi_choice", "answer_type": "text",
         "metadata": {"task": "figure question answering", "skills": []}, "query": "Which?\n(A) 3/11\n(B) 8/11"},
    ],
    "mme": [
        {"question_id": "existence/1.jpg", "image": struct(A), "category": "existence", "answer": answer,
         "question": f"Is there a {thing} in this image? Please answer yes or no."}
        for thing, answer in (("square", "Yes"), ("dog", "No"))
    ],
    "mmbench_en": [
        {"index": index, "question": "Which animal?", "hint": "nan", "answer": answer, "A": first, "B": second,
         "C": "nan", "D": None, "category": "identity", "image": struct(A), "source": "s", "L2-category": "FP-S",
         "comment": "nan", "split": "dev"}
        for index, answer, first, second in ((3, "A", "cat", "dog"), (1_000_003, "B", "dog", "cat"))
    ],
    "mmt_bench": [
        {"index": 1, "question": "Which is first?", "answer": "C", "A": "x", "B": "y", "C": "z", "D": "nan",
         "image": [struct(A), struct(B)], "category": "order", "l2-category": "temporal_understanding", "split": "val"}
    ],
    "refcoco": [
        {"question_id": "1", "image": struct(A), "question": "q", "answer": ["red square", "the square"],
         "segmentation": [0.0], "bbox": [8.0, 8.0, 33.0, 33.0], "iscrowd": 0, "file_name": "1_2.jpg"}
    ],
}  # fmt: skip
for name, like in {"mmbench_cn": "mmbench_en", "mmbench_v11_en": "mmbench_en", "mmbench_v11_cn": "mmbench_en",
                   "refcoco_plus": "refcoco", "refcocog": "refcoco"}.items():  # fmt: skip
    PARQUET[name] = PARQUET[like]

# --- VLMEvalKit's tables: the second row shows the first one's image ----------------------------------------------

VQA = {"index": 0, "image": coded(A), "question": "what is the total?", "answer": "['12.00', '$12.00']"}
CHOICE = {"index": 0, "image": coded(A), "question": "Which animal?", "hint": "", "A": "cat", "B": "dog", "C": "",
          "D": "", "answer": "B", "category": "identity", "l2-category": "FP-S", "split": "dev"}  # fmt: skip


def again(row: dict, **changed) -> dict:
    """Return a further row about the image of the first."""
    return {**row, "index": 1, "image": "0", **changed}


CIRCULAR = [CHOICE, {**again(CHOICE, answer="A", A="dog", B="cat"), "index": 1_000_000}]
TSV: dict[str, list[dict]] = {
    "docvqa": [VQA, again(VQA)],
    "infovqa": [VQA, again(VQA)],
    "textvqa": [{**VQA, "answer": str(["stop"] * 10)}],
    "chartqa": [{**VQA, "answer": "14", "split": "test_human"}, again(VQA, answer="[1, 2]", split="test_augmented")],
    "ocrbench": [{**VQA, "category": "Regular Text Recognition"}],
    "realworldqa": [CHOICE, again(CHOICE, A="", B="", answer="3")],
    "ai2d": [CHOICE, again(CHOICE)],
    "ai2d_no_mask": [CHOICE, again(CHOICE)],
    "mmstar": [CHOICE, again(CHOICE)],
    "mmbench_en": CIRCULAR, "mmbench_cn": CIRCULAR, "mmbench_v11_en": CIRCULAR, "mmbench_v11_cn": CIRCULAR,
    "mmt_bench": [{**CHOICE, "image": str([coded(A), coded(B)]), "E": "fox"}],
    "mmmu": [
        {**CHOICE, "question": "<image 1> Which?"},
        again(CHOICE, question="<image 1> How much?", A="", B="", answer="3"),
    ],
    "mathvista": [
        {"index": 1, "image": coded(A), "question": "Hint: a number.\nHow long?", "question_type": "free_form",
         "answer_type": "integer", "answer": "7", "answer_option": "", "choices": "", "precision": "",
         "task": "geometry", "skills": "['algebraic']"}
    ],
    "mme": [
        {"index": n, "image": coded(A) if not n else "0", "image_path": "existence/1.jpg", "category": "existence",
         "question": f"Is it {n}? Please answer yes or no.", "answer": answer} for n, answer in ((0, "Yes"), (1, "No"))
    ],
    "refcoco": [
        {"index": 0, "image": coded(A), "question": "red square", "answer": "[0.125, 0.125, 0.64, 0.64]",
         "category": "RefCOCO testA", "width": 64, "height": 64},
        *(
            {"index": index, "image": "0", "question": "the square", "answer": "[8, 8, 41, 41]", "category": category,
             "width": 64, "height": 64}
            for index, category in enumerate(("RefCOCO val", "RefCOCO+ testA", "RefCOCOg test"), start=1)
        ),
    ],
}  # fmt: skip
TSV["refcoco_plus"] = TSV["refcocog"] = TSV["refcoco"]  # one table of all


def write_parquet(folder: Path, name: str) -> Path:
    """Write the columns of the hub as two files of one split."""
    data = folder / name
    data.mkdir(parents=True)
    table = pyarrow.Table.from_pylist(PARQUET[name])
    parquet.write_table(table.slice(0, 1), data / "validation-00000-of-00002.parquet")
    parquet.write_table(table.slice(1), data / "validation-00001-of-00002.parquet")
    return data


def write_tsv(folder: Path, name: str) -> Path:
    """Write a table."""
    path = folder / f"{name}.tsv"
    columns = list(dict.fromkeys(column for row in TSV[name] for column in row))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, delimiter="\t", restval="")
        writer.writeheader()
        writer.writerows(TSV[name])
    return path


def write_grounding(folder: Path, name: str) -> Path:
    """Write Qwen-VL's grounding rows beside their image."""
    (folder / "coco").mkdir(exist_ok=True)
    (folder / "coco" / "1.png").write_bytes(A)
    rows = [{"image": "coco/1.png", "sent": sent, "bbox": [8, 8, 41, 41], "height": SIDE, "width": SIDE}
            for sent in ("red square", "the square")]  # fmt: skip
    path = folder / f"{name}_testA.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


WRITERS: dict[str, Callable[[Path, str], Path]] = {
    "parquet": write_parquet, "tsv": write_tsv, "grounding-jsonl": write_grounding,
}  # fmt: skip
FILES = [(format_, name) for format_, names in (("parquet", PARQUET), ("tsv", TSV)) for name in names]
FILES += [("grounding-jsonl", name) for name in ("refcoco", "refcoco_plus", "refcocog")]
