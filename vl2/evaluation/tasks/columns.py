"""Columns that many benchmark files share, as parts of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Any

from vl2.core.sample import ImageSource
from vl2.evaluation.loaders.literal import is_missing, texts_of
from vl2.evaluation.prompts import lettered
from vl2.evaluation.row import Row
from vl2.evaluation.task import Record


def images_of(value: Any) -> tuple[ImageSource, ...]:
    """Return the images of a column that holds one or several; those that are missing are left out."""
    listed: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
    return tuple(image for image in listed if isinstance(image, ImageSource))


def cell(record: Record, name: str) -> str:
    """Return a column as text, "" where it is absent or says nothing."""
    value = record.get(name)
    return "" if is_missing(value) else str(value)


def options_of(record: Record, letters: str = ascii_uppercase) -> dict[str, str]:
    """Return the columns named by letters."""
    return lettered({letter: record.get(letter) for letter in letters})


def tsv_row(record: Record, *, options: str = "", **changed: Any) -> Row:
    """Return a row of a VLMEvalKit table; `options` are the letters of its option columns."""
    extra = {name: cell(record, name) for name in ("hint", "l2-category", "split") if cell(record, name)}
    values: dict[str, Any] = {
        "id": str(record["index"]), "images": images_of(record["image"]), "question": cell(record, "question"),
        "options": options_of(record, options), "answers": texts_of(record.get("answer")),
        "category": cell(record, "category"), "fields": extra,
    }  # fmt: skip
    return Row(**{**values, **changed, "fields": {**extra, **changed.get("fields", {})}})


def plain_tsv(record: Record) -> Iterator[Row]:
    """Yield the row of a table of questions with open answers."""
    yield tsv_row(record)


def choice_tsv(record: Record) -> Iterator[Row]:
    """Yield the row of a table of questions with options; its answer is a letter."""
    answer = cell(record, "answer").strip()
    yield tsv_row(record, options=ascii_uppercase, answers=(answer,) if answer else ())


def own_row(record: Record) -> Iterator[Row]:
    """Yield a row of our own JSONL: the fields of Row by their names."""
    box = record.get("box")
    yield Row(
        id=str(record["id"]),
        images=images_of(record.get("images") or record.get("image")),
        question=str(record["question"]),
        options=lettered(record.get("options") or {}),
        answers=texts_of(record.get("answers")),
        box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])) if box else None,
        group=str(record.get("group", "")),
        category=str(record.get("category", "")),
        fields=record.get("fields") or {},
    )
