"""Whatever a file holds, rows come out or one VL2Error; whatever rows hold, they are asked and scored or refused."""

from __future__ import annotations

import contextlib
import json
import random
import time

import pytest

from tests.evaluation.synthetic import FILES, PARQUET, TSV, WRITERS, A
from vl2.core.errors import VL2Error
from vl2.evaluation.loaders import UNFIT, open_rows
from vl2.evaluation.loaders.parquet import read_parquet
from vl2.evaluation.loaders.tsv import read_tsv
from vl2.evaluation.scoring import has_gold
from vl2.evaluation.tasks import TASKS
from vl2.evaluation.tasks.mmstar import listed_options
from vl2.evaluation.verdict import Dialect

WEIRD = (None, "", "nan", "[", "[[1, 2], 3]", "9" * 5000, "\0", "\ud800", "A" * 70, -1, 10**400, 1.5, float("nan"),
         float("inf"), True, [], [None], {}, {"a": [1]}, b"\xff", "<image 9>", "<image 0>", "../x", "None")  # fmt: skip
SAID = ("", "A", "(B)", "yes", "7", "[[1, 2, 3, 4]]", "<|det|>[[0, 0, 9, 9]]<|/det|>", "\0", "9" * 5000)
DIALECTS: tuple[Dialect, ...] = ("canonical", "vlmevalkit", "lmms", "official")


def use(task, row) -> None:
    """Ask and score a row in every way; only VL2Error may come of it."""
    for rule in task.profiles.values():
        with contextlib.suppress(VL2Error):
            rule.ask(row)
    if has_gold(row):
        for said in SAID:
            for dialect in DIALECTS:
                assert 0 <= task.score(row, said, dialect).credit <= 1


@pytest.mark.parametrize("format_, name", FILES)
def test_any_value_in_any_column_is_a_row_or_an_error(format_, name, tmp_path):
    task = TASKS[name]
    path = WRITERS[format_](tmp_path, name)
    read = {"parquet": lambda: read_parquet(path, ""), "tsv": lambda: read_tsv(path)}
    grounding = {"line": 1, "image": None, "sent": "a", "bbox": [0, 0, 1, 1], "width": 3, "height": 3}
    records = list(read[format_]()) if format_ in read else [grounding]
    for record in records:
        for column in record:
            for value in WEIRD:
                try:
                    rows = list(task.rows[format_]({**record, column: value}))
                except (VL2Error, *UNFIT):  # which open_rows turns into one line
                    continue
                for row in rows:
                    use(task, row)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "pocketbench"])
def test_any_value_in_our_own_lines_is_a_row_or_an_error(name, tmp_path):
    (tmp_path / "1.png").write_bytes(A)
    task, path = TASKS[name], tmp_path / "rows.jsonl"
    facts = {"question_type": "free_form", "answer_type": "float", "precision": 1, "choices": []}
    line = {"id": "1", "images": ["1.png"], "question": "q", "options": {"A": "x"}, "answers": ["A"], "group": "",
            "box": [0, 0, 9, 9], "category": "c", "fields": facts}  # fmt: skip
    for column in line:
        for value in WEIRD:
            path.write_text(json.dumps({**line, column: value}, default=repr) + "\n", encoding="utf-8")
            try:
                rows = list(open_rows(task, path))
            except VL2Error:
                continue
            for row in rows:
                use(task, row)


@pytest.mark.parametrize("format_, name", [("tsv", "mmbench_en"), ("parquet", "mmmu"), ("grounding-jsonl", "refcoco")])
def test_damaged_files_end_in_one_line(format_, name, tmp_path):
    dice = random.Random(5)
    path = WRITERS[format_](tmp_path, name)
    file = path if path.is_file() else min(path.iterdir())
    whole = file.read_bytes()
    num_refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: dice.randrange(len(whole))] if dice.random() < 0.3 else whole)
        for _ in range(dice.randrange(8)):
            if damaged:
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        file.write_bytes(damaged)
        try:
            list(open_rows(TASKS[name], file, format=format_))
        except VL2Error:
            num_refused += 1
    assert num_refused > 100


def test_options_within_a_question_are_read_in_linear_time():
    began = time.perf_counter()
    for text in ("A: " + " " * 200_000 + "x", "A: a, " * 50_000, "A: a" + ", B: b" * 50_000, ", " * 100_000):
        listed_options(text)
    assert time.perf_counter() - began < 1
    read = {"A": "a, b and c", "B": "(C: 3)", "C": "x", "D": "y."}
    assert listed_options("A: a, b and c, B: (C: 3), C: x\nD: y.") == read
    assert listed_options("none at all") == {}


def test_every_task_has_true_columns_here():
    assert set(PARQUET) == set(TSV) == set(TASKS) - {"pocketbench"}
