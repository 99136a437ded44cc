"""Columns that many benchmark files share, as parts of rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vl2.core.sample import ImageSource
from vl2.evaluation.loaders.literal import is_missing, texts_of
from vl2.evaluation.prompts import lettered
from vl2.evaluation.row import Row
from vl2.evaluation.task import Record

SHORT = 16  # letters of a hash


def images_of(value: Any) -> tuple[ImageSource, ...]:
    """Return the images of a column that holds one or several; those that are missing are left out."""
    listed: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
    return tuple(image for image in listed if isinstance(image, ImageSource))


def picture_of(images: Sequence[ImageSource]) -> str:
    """Return a name of what images show: rows about the same ones are not independent. "" when there are none."""
    digest = hashlib.sha256()
    for image in images:
        # of a file its name and folder: where the data lies is no part of a name
        digest.update(image.data if image.data is not None else "/".join(Path(image.path or "").parts[-2:]).encode())
    return digest.hexdigest()[:SHORT] if images else ""


def name_of(*parts: object) -> str:
    """Return a name of a row that has no number, by its content."""
    return hashlib.sha256("".join(map(str, parts)).encode(errors="backslashreplace")).hexdigest()[:SHORT]


def cell(record: Record, name: str) -> str:
    """Return a column as text, "" where it is absent or says nothing."""
    value = record.get(name)
    return "" if is_missing(value) else str(value)


def options_of(record: Record, letters: str = ascii_uppercase) -> dict[str, str]:
    """Return the columns named by letters."""
    return lettered({letter: record.get(letter) for letter in letters})


def tsv_row(record: Record, *, options: str = "", **changed: Any) -> Row:
    """Return a row of a VLMEvalKit table; `options` are the letters of its option columns.

    Rows about the same image are one group, unless told otherwise.
    """
    images = images_of(record["image"])
    extra = {name: cell(record, name) for name in ("hint", "l2-category", "split") if cell(record, name)}
    values: dict[str, Any] = {
        "id": str(record["index"]), "images": images, "question": cell(record, "question"),
        "options": options_of(record, options), "answers": texts_of(record.get("answer")),
        "category": cell(record, "category"), "group": picture_of(images), "fields": extra,
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
    """Yield a row of our own JSONL: the fields of Row by their names, without a box: that is of grounding alone."""
    fields = record.get("fields") or {}
    if not isinstance(fields, Mapping):
        raise TypeError("fields is no object")
    if isinstance(record.get("options"), str):
        raise TypeError("options is neither a list nor an object")
    yield Row(
        id=str(record["id"]),
        images=images_of(record.get("images") or record.get("image")),
        question=str(record["question"]),
        options=lettered(record.get("options") or {}),
        answers=texts_of(record.get("answers")),
        group=str(record.get("group", "")),
        category=str(record.get("category", "")),
        fields=fields,
    )
