"""Filters on labelled rows: precision of at least .95 at a recall of at least .90, also on the half not tuned on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.corpus.labelled.build import FILTERS, FOLDER, rows_of
from vl2.corpus.filters.code_mix import code_mix
from vl2.corpus.filters.limits import MOST
from vl2.corpus.filters.repetition import repetition
from vl2.corpus.filters.truncation import truncation

MEASURES = {"repetition": repetition, "truncation": truncation, "code_mix": code_mix}


def has_fault(name: str, text: str) -> bool:
    found = {f"{name}.{field}": value for field, value in MEASURES[name](text).items()}
    return any(field in MOST and value > MOST[field] for field, value in found.items())


def read(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("half", ["tune", "held"])
@pytest.mark.parametrize("name", FILTERS)
def test_the_filter_is_right_on_labelled_rows(name, half):
    rows = [(has_fault(name, row["text"]), row["label"] == 1) for row in read(name) if row["half"] == half]
    right = sum(said and true for said, true in rows)
    precision, recall = right / sum(said for said, _ in rows), right / sum(true for _, true in rows)
    assert len(rows) >= 100 and precision >= 0.95 and recall >= 0.90, (precision, recall)


@pytest.mark.parametrize("name", FILTERS)
def test_the_rows_are_what_the_script_writes(name):
    assert read(name) == rows_of(name)
