"""What is judged on disk, part by part, is what is judged at once, however small the parts are."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.corpus.dedup.judged import judge, text_row
from tests.corpus.dedup.planted import png, scene, vocabulary
from vl2.corpus import buckets, gathering
from vl2.corpus.buckets import Column, KeyBuckets, records_of
from vl2.corpus.dedup import pictures

KEYED = np.dtype([("key", "<u8"), ("row", "<i8")])


def rows_with_copies() -> list:
    """Return 260 rows: texts that come again word for word, or with another word, and pictures that come again."""
    rng = random.Random(5)
    words = vocabulary(rng)
    texts = [rng.choices(words, k=40) for _ in range(80)]
    changed = [[*text[:-1], "other"] for text in texts[:60]]
    shown = [png(scene(seed)) for seed in range(20)]
    rows = [text_row(" ".join(text)) for text in (*texts, *changed, *texts[20:])]
    rows += [text_row("the same", data) for data in (*shown, *shown, *shown)]
    rng.shuffle(rows)
    return rows


@pytest.mark.parametrize("step", ["exact", "near_texts", "near_pictures"])
def test_small_parts_give_what_one_part_gives(tmp_path, monkeypatch, step):
    rows = rows_with_copies()
    wanted = judge(tmp_path, step, rows, block_rows=len(rows))
    assert len(wanted) >= 40 and [one.row for one in wanted] == sorted(one.row for one in wanted)
    monkeypatch.setattr(buckets, "BUCKET_BYTES", 512)
    monkeypatch.setattr(buckets, "MOST_BUCKETS", 7)
    monkeypatch.setattr(pictures, "_TOGETHER", 3)
    monkeypatch.setattr(gathering, "RANGE_ROWS", 16)
    monkeypatch.setattr(gathering, "MOST_BUCKETS", 7)
    found = judge(tmp_path, step, rows, block_rows=9)
    assert [(9 * one.block + one.row, one.reason, one.because_of) for one in found] == [
        (one.row, one.reason, one.because_of) for one in wanted
    ]
    assert not list(tmp_path.glob("*.incomplete"))


def test_groups_are_of_equal_keys_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(buckets, "BUCKET_BYTES", 256)
    rng = np.random.default_rng(2)
    keys = rng.integers(0, 1 << 63, 50).astype(np.uint64)[rng.integers(0, 50, 400)]
    found = KeyBuckets(tmp_path / "keys", KEYED, 400)
    assert found.number > 10
    for part in np.array_split(np.arange(400), 7):
        found.add_keys(records_of(KEYED, key=keys[part], row=part))
    groups = {int(group["key"][0]): group["row"].tolist() for group in found.groups()}
    assert groups == {int(key): np.flatnonzero(keys == key).tolist() for key in set(keys) if (keys == key).sum() > 1}
    assert not any((tmp_path / "keys").iterdir())


def test_a_column_is_read_at_any_place(tmp_path):
    column = Column(tmp_path / "column", "<u4")
    for start in range(0, 100, 9):
        column.append(np.arange(start, min(start + 9, 100)))
    assert len(column) == 100
    assert column.read(95, 100).tolist() == [95, 96, 97, 98, 99]
    assert column.read(3, 3).tolist() == []
