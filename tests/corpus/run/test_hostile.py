"""Rows of any shape go through every step, format and the report; filters take texts made to be slow."""

from __future__ import annotations

import json
import random
import time

import pytest

from tests.corpus.run.sources import FULL, WRITE, grounded, picture, recipe_of, silent
from vl2.core.sample import sample_to_dict
from vl2.corpus.filters.code_mix import code_mix
from vl2.corpus.filters.language import language
from vl2.corpus.filters.ocr_agreement import ocr_agreement
from vl2.corpus.filters.refusal import refusal
from vl2.corpus.filters.repetition import repetition
from vl2.corpus.filters.template import template
from vl2.corpus.filters.truncation import truncation
from vl2.corpus.manifest import read_manifest
from vl2.corpus.report import write_report
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source

NUM_ROWS = 400
JUNK = (
    None,
    True,
    -1,
    3.5,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "\ud800",
    "<image>",
    "../x",
    "a\0b",
    [],
    {},
    [[]],
    {"a": 1},
)


def mutate(value, rng: random.Random):
    """Return a record with one of its values replaced by junk, or taken out."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(list(value))
        if rng.random() < 0.1:
            return {other: one for other, one in value.items() if other != name}
        return {**value, name: mutate(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], mutate(value[at], rng), *value[at + 1 :]]
    return rng.choice(JUNK)


def hostile_records(folder):
    (folder / "good.png").write_bytes(picture(1))
    (folder / "bomb.png").write_bytes(picture(1)[:-20])
    row = sample_to_dict(grounded(1))
    row["images"] = [{"path": "good.png", "width": 48, "height": 36}, {"path": "bomb.png"}]
    row["provenance"] = {"licence": "MIT", "ocr": ["GRAND"], "parents": []}
    row["quality"], row["decision"] = {"old.score": 0.5}, {"keep": False, "step": "old", "reason": "old"}
    kept = {**row, "decision": {}, "images": [row["images"][0]] * 2}
    rng = random.Random(11)
    return [mutate(rng.choice((row, kept)), rng) for _ in range(NUM_ROWS)]


def test_rows_of_any_shape_end_as_rows_or_reasons(tmp_path):
    records = hostile_records(tmp_path)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    source = Source(name="hostile", path=str(tmp_path / "rows.jsonl"))
    out = tmp_path / "run"
    run_recipe(recipe_of((source,), out, steps=FULL, write=WRITE, block_rows=50), LocalExecutor(), silent)
    receipts = list(read_manifest(out / "stage-0"))
    assert sum(one.num_rows + sum(one.skipped.values()) for one in receipts) == NUM_ROWS
    assert sum(one.num_kept for one in receipts) > 20
    page = write_report([out], out / "report.html", 20).read_text(encoding="utf-8")
    assert "a value of quality is not a number" in page


SLOW = [
    "<|" * 60_000, "$$" * 60_001, "a" * 120_000, "a." * 60_000, "@" * 90_000, "\n" * 120_000 + "x",
    " \n" * 60_000 + "x", "`" * 90_001, "<" * 90_000, "((" * 60_000, "“" * 90_000, '"a' * 60_000, "1." * 60_000,
    ";" * 90_000, "; " * 60_000 + "x", "sorry " * 20_000, "- \n" * 40_000, "的" * 90_000, "ab" * 60_000, ". " * 60_000,
    "'" * 90_001, "\t#" * 60_000,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(SLOW)))
def test_filters_take_long_texts_in_little_time(number):
    """About 120,000 characters in half a second of processor time each; quadratic ones would take minutes."""
    text = SLOW[number]
    asked = [lambda: template(text, text), lambda: ocr_agreement(text, [text])]
    asked += [lambda f=f: f(text) for f in (code_mix, language, refusal, repetition, truncation)]
    for measure in asked:
        started = time.process_time()
        measure()
        assert time.process_time() - started < 0.5, (text[:20], measure)
