"""Public answers of other models get the scores that their benchmarks published; skipped where the files are not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vl2.evaluation.metrics.mathvista import Form, is_right
from vl2.evaluation.metrics.mmmu import match_open, read_choice

FOLDER = Path(os.environ.get("VL2_GOLDEN", Path(__file__).parents[4] / "shared" / "evaluation" / "golden"))
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the public answers are not here: set VL2_GOLDEN")


def rows(name: str) -> Iterator[dict]:
    with (FOLDER / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.mark.parametrize(
    "name, dialect, right, num_unparsed",
    [
        ("llava1.5_13b", "official", 329, 2),
        ("qwen_vl", "official", 309, 48),
        ("llava1.5_13b", "lmms", 329, None),
        ("qwen_vl", "lmms", 310, None),
    ],
)
def test_mmmu(name, dialect, right, num_unparsed):
    found = unparsed = 0
    for row in rows(f"mmmu_{name}.jsonl"):
        gold = row["answer"]
        if row["question_type"] == "multiple-choice":
            letter = read_choice(row["response"], row["index2ans"], dialect)
            unparsed += not letter
            found += letter == gold
        else:
            found += match_open(row["response"], gold if isinstance(gold, list) else [gold])
    assert found == right
    assert num_unparsed in (None, unparsed)


@pytest.mark.parametrize(
    "name, right",
    [("gpt4", 261), ("gpt4_2shot_solution", 292), ("llavar", 252), ("frequent_guess", 263), ("random_guess", 179)],
)
def test_mathvista(name, right):
    verdicts = []
    for row in rows(f"mathvista_{name}.jsonl"):
        form = Form(
            question_type=row["question_type"], answer_type=row["answer_type"], precision=row["precision"],
            choices=tuple(row["choices"] or ()),
        )  # fmt: skip
        verdicts.append((is_right(row["extraction"] or "", row["answer"], form), row["true_false"]))
    assert all(ours == theirs for ours, theirs in verdicts)
    assert sum(ours for ours, _ in verdicts) == right
