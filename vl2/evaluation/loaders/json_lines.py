"""JSONL: grounding rows as Qwen-VL released them, and rows of our own form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.loaders.within import inside

MOST_LINE_BYTES = 64 << 20


def read_jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a file, `image` and `images` as sources, `line` as their number. Raises VL2Error."""
    number = 0
    try:
        with path.open("rb") as stream:
            while line := stream.readline(MOST_LINE_BYTES):
                number += 1
                if line.strip():
                    yield _with_images(_parse(line, f"{path.name}:{number}") | {"line": number}, path.parent)
    except OSError as error:
        raise VL2Error(str(path), "cannot be read", got=error.strerror, do="Check --data.") from None


def first_record(path: Path) -> Mapping[str, Any]:
    """Return the first object of a file."""
    return next(read_jsonl(path), {})


def _parse(line: bytes, thing: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise VL2Error(thing, f"not JSON: {str(error)[:80]}", do="Correct this line.") from None
    if not isinstance(record, dict):
        raise VL2Error(thing, "not a JSON object", got=type(record).__name__)
    return record


def _with_images(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    if isinstance(record.get("image"), str):
        record["image"] = ImageSource(path=str(inside(folder, record["image"])))
    if isinstance(record.get("images"), list):
        record["images"] = [ImageSource(path=str(inside(folder, str(name)))) for name in record["images"]]
    return record
