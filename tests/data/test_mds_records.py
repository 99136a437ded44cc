"""Shards of MDS and prepared folders: what is damaged or made to harm is an error or a fault, never more."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.data.faults import Fault
from vl2.data.records import open_records
from vl2.data.records.mds_rows import MdsRows
from vl2.data.records.prepared import energon_shards

PIXELS = b"\x89PNG\r\n\x1a\n of a picture"
TALK = [{"from": "human", "value": "<image>Hi"}, {"from": "gpt", "value": "Hello"}]
COLUMNS = {"conversations": "json", "id": "str", "image": "png", "number": "int", "vector": "ndarray"}


def shard(rows, columns=None, sizes=None) -> bytes:
    """Return a shard as mosaicml-streaming writes it: columns by name."""
    columns = columns or COLUMNS
    told = {
        "column_names": list(columns), "column_encodings": list(columns.values()),
        "column_sizes": sizes or [8 if encoding == "int" else None for encoding in columns.values()],
    }  # fmt: skip
    config = json.dumps(told).encode()
    places = np.cumsum([4 + 4 * (len(rows) + 1) + len(config), *map(len, rows)])
    return np.array([len(rows), *places], "<u4").tobytes() + config + b"".join(rows)


def row(*cells: bytes, fixed: tuple[int, ...] = (3,)) -> bytes:
    told = [len(cell) for number, cell in enumerate(cells) if number not in fixed]
    return np.array(told, "<u4").tobytes() + b"".join(cells)


def good(name: str = "one") -> bytes:
    return row(json.dumps(TALK).encode(), name.encode(), PIXELS, (-7).to_bytes(8, "little", signed=True), b"\1\2\3")


def write(folder: Path, data: bytes, name: str = "shard.00000.mds") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def test_columns_are_read(tmp_path):
    (found,) = MdsRows(write(tmp_path, shard([good()]))).read(0)
    assert (found.record["id"], found.record["number"], found.images) == ("one", -7, (PIXELS,))
    assert "vector" not in found.record
    (sample,) = open_records(str(tmp_path))
    assert sample.images[0].data == PIXELS and len(sample.messages) == 2


@pytest.mark.parametrize("encoding", ["list[jpeg]", "list[png]", "jpeg_array"])
def test_lists_of_images_are_read(tmp_path, encoding):
    start = [2, 3, 4] if encoding == "jpeg_array" else [0, 2, 3, 4]
    cell = np.array(start, "<u4").tobytes() + b"abcdefg"
    (found,) = MdsRows(write(tmp_path, shard([row(cell, fixed=())], {"images": encoding}))).read(0)
    assert found.images == (b"abc", b"defg")
    long = np.array([*start[:-3], 1 << 30, 3, 4], "<u4").tobytes() + b"abcdefg"
    (found,) = MdsRows(write(tmp_path, shard([row(long, fixed=())], {"images": encoding}))).read(0)
    assert found == Fault("a damaged row")


def test_pickles_are_refused(tmp_path):
    with pytest.raises(VL2Error, match="holds pickles"):
        open_records(write(tmp_path, shard([row(b"cos\nsystem\n.", fixed=())], {"x": "pkl"})))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\1", b"\xff" * 64, shard([])[:9], b"\0" * 8,
        np.array([1, 12, 1 << 31], "<u4").tobytes(),
        np.array([1, 40, 12], "<u4").tobytes() + b" " * 40,
        np.array([0, 10], "<u4").tobytes() + b"[]",
        shard([good()], sizes=[-1] * 5), shard([good()], sizes=["8"] * 5),
        shard([], dict.fromkeys(map(str, range(999)), "str")),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_shard_is_an_error(tmp_path, data):
    with pytest.raises(VL2Error, match="no shard of MDS"):
        open_records(write(tmp_path, data))


def test_damaged_rows_are_faults(tmp_path):
    huge = np.array([1 << 31, 1, 1, 1], "<u4").tobytes() + b"x" * 20
    deep = row(b"[" * 100_000, b"deep", PIXELS, bytes(8), b"")
    rows = [good("a"), huge, b"", b"\0\0", deep, row(b"{", b"b", PIXELS, bytes(8), b""), good("c")]
    found = list(open_records(write(tmp_path, shard(rows))))
    assert [one.id if isinstance(one, Sample) else one.reason for one in found] == [
        "a", "a damaged row", "a damaged row", "a damaged row", "not JSON", "not JSON", "c",
    ]  # fmt: skip


def test_any_damage_is_an_error_or_a_fault(tmp_path):
    data, rng = shard([good(str(number)) for number in range(5)]), random.Random(3)
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        path = write(tmp_path, bytes(changed[: rng.randrange(len(changed))] if rng.random() < 0.3 else changed))
        try:
            found = list(open_records(path))
        except VL2Error:
            continue
        assert all(isinstance(one, Sample | Fault) for one in found)


def energon(folder: Path, split: str) -> Path:
    (folder / ".nv-meta").mkdir(exist_ok=True)
    (folder / ".nv-meta" / "split.yaml").write_text(split, encoding="utf-8")
    return folder


def test_a_split_names_its_shards(tmp_path):
    told = "split_parts:\n  train: ['b/{008..010}.tar', 'a.tar']\n  val: ['c.tar']\nexclude: ['b/009.tar']\n"
    found = energon_shards(energon(tmp_path, told))
    assert [str(path.relative_to(tmp_path)) for path in found] == ["b/008.tar", "b/010.tar", "a.tar"]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("split_parts: {train: ['../../secret.tar']}", "a shard is not in it"),
        ("split_parts: {train: ['/etc/passwd']}", "a shard is not in it"),
        ("split_parts: {train: ['{0..9999999999}.tar']}", "too many shards"),
        ("split_parts: {train: ['{9..1}.tar']}", "too many shards, or none"),
        ("split_parts: {train: a.tar}", "has no list of train"),
        ("split_parts: [1]", "has no list of train"),
        ("split_parts: {train: [a.tar]}\nexclude: ['a.tar/3']", "leaves out single rows"),
    ],
)
def test_a_split_that_cannot_be_followed_is_refused(tmp_path, told, message):
    with pytest.raises(VL2Error, match=message):
        energon_shards(energon(tmp_path, told))


def test_lists_of_shards_are_no_records(tmp_path):
    write(tmp_path, shard([good()]))
    write(tmp_path, b'{"shards": []}', "index.json")
    assert len(open_records(str(tmp_path))) == 1
