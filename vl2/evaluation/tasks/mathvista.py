"""MathVista: mathematics in pictures (Lu et al., 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from vl2.evaluation.loaders.literal import is_missing, texts_of
from vl2.evaluation.metrics.mathvista import Form, extract, is_right, is_right_plainly
from vl2.evaluation.prompts import asking, lettered, question
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import cell, images_of, own_row, tsv_row
from vl2.evaluation.tasks.scorers import without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

LMMS_TOKENS = 16384
BY_LETTER = "Answer with the option's letter from the given choices directly."
BY_TYPE = {"integer": "Answer the question using a single integer number.",
           "list": "Answer the question using a Python list."}  # fmt: skip


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns."""
    about = record.get("metadata") or {}
    yield Row(
        id=str(record["pid"]), images=images_of(record["decoded_image"]), answers=texts_of([record.get("answer")]),
        question=str(record.get("query") or record["question"]), category=str(about.get("task") or ""),
        group=str(record.get("image") if isinstance(record.get("image"), str) else ""),
        fields=facts(record) | {"skills": list(about.get("skills") or ()), "asked": with_unit(record)},
    )  # fmt: skip


def tsv_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the table."""
    skills = list(texts_of(record.get("skills")))
    yield tsv_row(record, category=cell(record, "task"), answers=texts_of([record.get("answer")]),
                  fields=facts(record) | {"skills": skills})  # fmt: skip


def own_rows(record: Record) -> Iterator[Row]:
    """Yield a row of our own JSONL; its fields say what an answer has to look like."""
    for row in own_row(record):
        yield replace(row, fields={**row.fields, **facts(row.fields)})


def facts(record: Record) -> dict[str, Any]:
    """Return what an answer has to look like."""
    precision = record.get("precision")
    return {
        "question_type": str(record["question_type"]), "answer_type": str(record["answer_type"]),
        "precision": None if is_missing(precision) else float(str(precision)),
        "choices": list(texts_of(record.get("choices"))),
    }  # fmt: skip


def with_unit(record: Record) -> str:
    """Return the bare question with the unit of its answer."""
    unit = cell(record, "unit")
    return f"{record['question']}{f' (Unit: {unit})' if unit else ''}"


def lmms_question(row: Row) -> str:
    """Return lmms-eval's question of mathvista_testmini_format: its options, and last the form of the answer."""
    _, _, told = row.question.partition("\nQuestion: ")  # a table has hint, question and choices in one
    asked = row.fields.get("asked") or (told or row.question).partition("\nChoices:\n")[0]
    options = "".join(f"{letter}. {text}\n" for letter, text in lettered(row.fields["choices"]).items())
    kind = row.fields["answer_type"]
    if row.fields["question_type"] == "multi_choice":
        form = BY_LETTER
    elif kind == "float":
        places = "two decimal places" if row.fields["precision"] == 2 else "one decimal place"
        form = f"Answer the question using a single floating-point number with {places}."
    else:
        form = BY_TYPE.get(kind, "")
    return f"{asked}\n{options}{form}"


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Take the answer out of the reply, by rules alone, and compare it in the form of the gold one."""
    form = Form(**{name: row.fields[name] for name in ("question_type", "answer_type", "precision", "choices")})
    if dialect == "vlmevalkit" and is_right_plainly(said, row.answers[0], form):
        return judged(1.0, said)
    found = extract(said, form)
    if not found:
        return unparsed()
    if dialect == "vlmevalkit":
        return judged(float(is_right_plainly(found, row.answers[0], form)), found)
    return judged(float(is_right(found, row.answers[0], form, dialect)), found)


TASK = Task(
    name="mathvista", title="MathVista", source="mathvista.github.io; VLMEvalKit MathVista_MINI", metric="accuracy",
    rows={"parquet": parquet_rows, "tsv": tsv_rows, "jsonl": own_rows},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(question), clean=without_full_stop, dialect="canonical"),
        "lmms": PromptRule(ask=asking(lmms_question), max_new_tokens=LMMS_TOKENS, dialect="lmms"),
    },
    score=score, breakdown=("category", "question_type", "answer_type", "skills"),
    num_rows={"testmini": 1000, "test": 5141}, published="MathVista", repository="AI4Math/MathVista",
)  # fmt: skip
