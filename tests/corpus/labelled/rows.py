"""Labelled rows: read, and what a filter says of them.

NAME.jsonl is written by build.py, with faults planted by it; NAME_by_hand.jsonl is written and labelled by hand, row by
row. There a hash of the row chose its half, before any filter saw it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImageSource, Message, Part, Sample, SceneObject, TextPart
from vl2.corpus.filters.code_mix import code_mix
from vl2.corpus.filters.grounding_recall import grounding_recall
from vl2.corpus.filters.limits import MOST
from vl2.corpus.filters.mismatch import mismatch
from vl2.corpus.filters.ocr_agreement import ocr_agreement
from vl2.corpus.filters.repetition import repetition
from vl2.corpus.filters.truncation import truncation

FOLDER = Path(__file__).parent
OF_TEXTS = {"repetition": repetition, "truncation": truncation, "code_mix": code_mix}
FILTERS = (*OF_TEXTS, "mismatch")
LEAST_AGREEMENT, LEAST_RECALL = 0.8, 0.5  # as in recipes/corpus/recaption.yaml
Row = dict[str, Any]


def read(name: str, half: str | None = None) -> list[Row]:
    """Return the rows of a filter, those by hand behind the planted ones; of one half, or of both."""
    files = (path for path in (FOLDER / f"{name}.jsonl", FOLDER / f"{name}_by_hand.jsonl") if path.exists())
    rows = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if half in (None, row["half"])]


def has_fault(name: str, row: Row) -> bool:
    """Tell whether the filter finds a fault."""
    if name == "mismatch":
        return _is_mismatch(row)
    found = {f"{name}.{field}": value for field, value in OF_TEXTS[name](row["text"]).items()}
    return any(field in MOST and value > MOST[field] for field, value in found.items())


def _is_mismatch(row: Row) -> bool:
    sample = sample_of(row)
    said = "\n".join(text for role, text in row["turns"] if role == "assistant")
    return (
        any(mismatch(sample).values())
        or ("ocr" in row and ocr_agreement(said, row["ocr"])["agreement"] < LEAST_AGREEMENT)
        or grounding_recall(sample).get("recall", 1.0) < LEAST_RECALL
    )


def sample_of(row: Row) -> Sample:
    """Return a row of mismatch as a sample: `[[cat]]` asks for boxes or gives them, `[[cat@]]` is told with its box."""
    turns = tuple(Message(role, tuple(_parts(role, text))) for role, text in row["turns"])
    objects = tuple(SceneObject(label, (1, 2, 3, 4)) for label in row.get("labels", ()))
    return Sample("row", turns, images=(ImageSource(),) * row["images"], objects=objects)


def _parts(role: str, text: str) -> list[Part]:
    pieces = re.split(r"\[\[(.+?)\]\]", text)  # text, label, text, label, text
    parts: list[Part] = []
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            parts.append(TextPart(piece))
        else:
            is_told = role == "assistant" or piece.endswith("@")
            parts.append(BoxesPart(piece.removesuffix("@"), (Box(1, 2, 3, 4),) if is_told else ()))
    return parts
