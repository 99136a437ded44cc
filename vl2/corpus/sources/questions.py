"""Questions about images with short answers: TextVQA, DocVQA, VQAv2, GQA, KVQA, IconQA, ScienceQA."""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample, SceneObject
from vl2.corpus.source import Source
from vl2.corpus.sources.elements import index
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.geometry import from_grid
from vl2.corpus.sources.joined import EntryRows, JoinedRows
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import Raw, listed, name_of, number, optional_text, text
from vl2.corpus.sources.wordings import asked, in_turns
from vl2.data.faults import RowError
from vl2.data.records.files import find_files

UPRIGHT = 5  # degrees that a word may be turned and its box still be one
_MAX_JSON = 1 << 20


def open_textvqa(source: Source) -> list[JoinedRows]:
    """Open TextVQA's questions, joined with the OCR of their images where that file lies beside them."""
    return [_open_textvqa(path) for path in find_files(source.path) if "_OCR_" not in path]


def _open_textvqa(path: str) -> JoinedRows:
    copy, found = index(path, {"data": "image_id"})
    subset = Path(path).stem.rpartition("_")[2]
    beside = sorted(Path(path).parent.glob(f"TextVQA_*OCR*_{subset}.json"))
    joined = {}
    if beside:
        other, read = index(str(beside[-1]), {"data": "image_id"})
        joined = {"ocr": (other, read["data"])}
    return JoinedRows(path, (copy, found["data"]), joined, told_orphans=False)


def read_textvqa(raw: Raw) -> Sample:
    """Return a question with its most frequent answer, and the words that Rosetta read; boxes come as shares."""
    record = raw.record
    size = number(record, "image_width"), number(record, "image_height")
    name = text(record, "image_id")
    image = raw.pictures.first_of(f"{folder}{name}.jpg" for folder in ("", "train_images/", "test_images/"))
    told: dict[str, Any] = {}
    objects: list[SceneObject] = []
    for read in record.get("ocr") or ():
        told["ocr"] = [str(token) for token in read["ocr_tokens"]]
        for one in read.get("ocr_info") or ():
            box = one["bounding_box"]
            if abs(float(box.get("yaw") or 0)) <= UPRIGHT:
                x, y = box["top_left_x"], box["top_left_y"]
                corners = from_grid((x, y, x + box["width"], y + box["height"]), size)
                objects.append(SceneObject(str(one["word"]), corners, 0, "word"))
    row = _answered(
        raw, text(record, "question"), listed(record, "answers"), name_of(record, ("question_id",), raw.name)
    )
    return Sample(row.id, row.messages, (image,), tuple(objects), row.answers, provenance=told)


def read_docvqa(raw: Raw) -> Sample:
    """Return a question about a page; the pages of one document are told by `document_id`."""
    record = raw.record
    row = _answered(
        raw, text(record, "question"), listed(record, "answers"), name_of(record, ("questionId",), raw.name)
    )
    told = {"split": text(record, "data_split"), "document_id": str(record.get("ucsf_document_id") or "")}
    return Sample(row.id, row.messages, (raw.given(text(record, "image")),), (), row.answers, provenance=told)


def open_docvqa(source: Source) -> list[JoinedRows]:
    """Open files of `data`."""
    found = [(path, index(path, {"data": "questionId"})) for path in find_files(source.path)]
    return [JoinedRows(path, (copy, elements["data"]), {}) for path, (copy, elements) in found]


def open_vqav2(source: Source) -> list[JoinedRows]:
    """Open the questions of VQAv2 in a folder, each file joined with that of its annotations."""
    place = Path(source.path)
    files = sorted(place.glob("v2_OpenEnded_mscoco_*_questions.json")) if place.is_dir() else [place]
    rows = []
    for path in files:
        subset = path.stem.removeprefix("v2_OpenEnded_mscoco_").removesuffix("_questions")
        copy, questions = index(str(path), {"questions": "question_id"})
        other, answers = index(
            str(path.parent / f"v2_mscoco_{subset}_annotations.json"), {"annotations": "question_id"}
        )
        joined = {"annotations": (other, answers["annotations"])}
        rows.append(JoinedRows(str(path), (copy, questions["questions"]), joined, partial(_of_subset, subset)))
    if not rows:
        raise VL2Error(source.path, "no questions here", expected="v2_OpenEnded_mscoco_train2014_questions.json")
    return rows


def _of_subset(subset: str, record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "subset": subset}


def read_vqav2(raw: Raw) -> Sample:
    """Return a question with the answer that was chosen, then what the others said."""
    record = raw.record
    told = listed(record, "annotations")
    if len(told) != 1 or told[0].get("image_id") != record.get("image_id"):
        raise RowError("a question without its one annotation")
    subset, image = text(record, "subset"), int(number(record, "image_id"))
    name = f"COCO_{subset}_{image:012d}.jpg"
    answers = [text(told[0], "multiple_choice_answer"), *(one["answer"] for one in listed(told[0], "answers"))]
    row = _answered(raw, text(record, "question"), answers, name_of(record, ("question_id",), raw.name), counted=False)
    kind = {"question_type": str(told[0].get("question_type")), "split": subset.removesuffix("2014")}
    image_found = raw.pictures.first_of((f"{subset}/{name}", name))
    return Sample(row.id, row.messages, (image_found,), (), row.answers, provenance=kind)


def open_entries(source: Source) -> list[EntryRows]:
    """Open files that are one object of rows."""
    return [EntryRows(path) for path in find_files(source.path)]


def read_gqa(raw: Raw) -> Sample:
    """Return a question with its short answer; the sentence is `full_answer`."""
    record = raw.record
    image = raw.pictures.first_of(f"{folder}{text(record, 'imageId')}.jpg" for folder in ("", "images/"))
    told = {"full_answer": optional_text(record, "fullAnswer")}
    answers = (text(record, "answer"), *filter(None, told.values()))
    return Sample(
        text(record, "key"), asked(text(record, "question"), answers[0]), (image,), (), answers, provenance=told
    )


def read_kvqa(raw: Raw) -> Sample:
    """Return all questions about one picture of known persons."""
    record = raw.record
    questions, answers = listed(record, "Questions"), listed(record, "Answers")
    if len(questions) != len(answers):
        raise RowError("answers are not one for each question")
    caption = optional_text(record, "wikiCap")
    names = [str(name) for name in record.get("NamedEntities") or ()]
    pairs = [(str(question), str(answer)) for question, answer in zip(questions, answers, strict=True)]
    told: dict[str, Any] = {"caption": caption} if caption else {}
    return Sample(text(record, "key"), in_turns(pairs), (raw.given(text(record, "imgPath")),), (), (pairs[0][1],),
                  provenance={**told, "metadata": {"persons": ", ".join(names)}} if names else told)  # fmt: skip


def open_iconqa(source: Source) -> list[NamedRows]:
    """Open a folder of IconQA: one folder a question, with data.json, image.png and choice_0.png, .."""
    pictures = Pictures(source.path)

    def look(name: str) -> Mapping[str, Any]:
        record = json.loads(pictures.read(name, _MAX_JSON))
        if not isinstance(record, dict):
            raise RowError("not an object")
        return record

    return [NamedRows(source.path, find_names(source, ("data.json",)), look)]


def read_iconqa(raw: Raw) -> Sample:
    """Return a question with choices that are words or pictures, or with a blank; split and kind are its folders."""
    record, place = raw.record, PurePosixPath(text(raw.record, "file")).parent
    images = [raw.pictures.image(f"{place}/image.png")]
    choices = record.get("choices") or []
    question, answer = text(record, "question"), record["answer"]
    told = {"split": next((part for part in place.parts if part in ("train", "val", "test")), "train")}
    if "choose_img" in place.parts:
        images += [raw.pictures.image(f"{place}/{choice}") for choice in choices]
        letters = ", ".join(f"{string.ascii_uppercase[n]}: picture {n + 2}" for n in range(len(choices)))
        letter = string.ascii_uppercase[int(answer)]
        messages = asked(f"{question}\n{letters}", letter, len(images))
        return Sample(place.as_posix(), messages, tuple(images), (), (letter,), provenance=told)
    if choices:
        asked_text, answers = choice_question(question, list(map(str, choices)), int(answer))
        return Sample(place.as_posix(), asked(asked_text, answers[0]), tuple(images), (), answers, provenance=told)
    return Sample(place.as_posix(), asked(question, str(answer)), tuple(images), (), (str(answer),), provenance=told)


def read_scienceqa(raw: Raw) -> Sample:
    """Return a question with its choices; half of them have no picture. Lecture and solution stay beside it."""
    record = raw.record
    hint = optional_text(record, "hint").strip()
    question = f"{hint}\n{text(record, 'question')}" if hint else text(record, "question")
    asked_text, answers = choice_question(question, listed(record, "choices"), int(number(record, "answer")))
    images = raw.pictures.images(record.get("image"))
    told: dict[str, Any] = {name: record[name] for name in ("subject", "topic", "grade", "skill") if record.get(name)}
    told["metadata"] = {name: optional_text(record, name) for name in ("lecture", "solution") if record.get(name)}
    return Sample(raw.name, asked(asked_text, answers[0], len(images)), images, (), answers, provenance=told)


def choice_question(question: str, choices: Sequence[str], answer: int) -> tuple[str, tuple[str, str]]:
    """Return a question with lettered choices, and its answer as letter with text, then as text alone."""
    if not 0 <= answer < len(choices) <= len(string.ascii_uppercase):
        raise RowError("an answer that is none of the choices")
    lines = [f"{letter}. {choice}" for letter, choice in zip(string.ascii_uppercase, choices, strict=False)]
    return "\n".join((question, *lines)), (lines[answer], choices[answer])


def _answered(raw: Raw, question: str, answers: Sequence[Any], name: str, counted: bool = True) -> Sample:
    told = [str(answer).strip() for answer in answers if str(answer).strip()]
    if not told:
        raise RowError("a question without an answer")
    ordered = [answer for answer, _ in Counter(told).most_common()] if counted else list(dict.fromkeys(told))
    return Sample(name, asked(question, ordered[0]), (), (), tuple(ordered))
