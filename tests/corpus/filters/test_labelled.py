"""Filters on labelled rows: precision of at least .95 at a recall of at least .90, also on the half not tuned on."""

from __future__ import annotations

import pytest

from tests.corpus.labelled.build import PLANTED, rows_of
from tests.corpus.labelled.rows import FILTERS, has_fault, read


@pytest.mark.parametrize("half", ["tune", "held"])
@pytest.mark.parametrize("name", FILTERS)
def test_the_filter_is_right_on_labelled_rows(name, half):
    rows = [(has_fault(name, row), row["label"] == 1) for row in read(name, half)]
    right = sum(said and true for said, true in rows)
    precision, recall = right / sum(said for said, _ in rows), right / sum(true for _, true in rows)
    assert len(rows) >= 150 and precision >= 0.95 and recall >= 0.90, (precision, recall)


@pytest.mark.parametrize("name", FILTERS)
def test_rows_are_many_and_none_comes_twice(name):
    contents = [str({key: value for key, value in row.items() if key != "half"}) for row in read(name)]
    assert len(set(contents)) == len(contents) >= 330


@pytest.mark.parametrize("name", PLANTED)
def test_planted_rows_are_what_the_script_writes(name):
    assert [row for row in read(name) if row["from"] != "by hand"] == rows_of(name)
