"""What is written is read back by the readers of training: the same words, boxes and pictures."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.corpus.run.sources import NUM_DRAWN, grounded, recipe_of, silent
from vl2.cli import app
from vl2.core.boxes import Box
from vl2.core.encoded import image_suffix
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, TextPart
from vl2.corpus import write_mds
from vl2.corpus.ingest import ingest
from vl2.corpus.manifest import describe_file, find_damaged, read_manifest
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source
from vl2.corpus.tar import pack, unpack
from vl2.corpus.write import FORMATS
from vl2.corpus.write_mds import close_mds
from vl2.data.records import open_records
from vl2.processor.grounding import render


@pytest.fixture(scope="module")
def out(sources, tmp_path_factory):
    recipe = recipe_of(sources[:1], tmp_path_factory.mktemp("formats") / "run", steps=())
    return run_recipe(recipe, LocalExecutor(), silent)


def said(sample: Sample) -> list[tuple[str, str]]:
    """Return what each turn says to the model: text, places of images, boxes as they are rendered."""

    def told(part):
        match part:
            case TextPart(text):
                return text
            case ImagePart():
                return "<image>"
            case BoxesPart(label, boxes):
                return render(label, boxes)

    return [(message.role, "".join(map(told, message.parts))) for message in sample.messages]


def pixels(sample: Sample) -> list[bytes]:
    return [image.data if image.data is not None else Path(image.path).read_bytes() for image in sample.images]


@pytest.mark.parametrize("name", FORMATS)
def test_it_is_read_back(out, name):
    source = Source(name="drawn", path="", licence="MIT")
    wanted = [ingest(grounded(number), source) for number in range(NUM_DRAWN)]
    found = list(open_records(str(out / name)))
    assert [sample.id for sample in found] == [sample.id for sample in wanted]
    assert [said(sample) for sample in found] == [said(sample) for sample in wanted]
    assert [pixels(sample) for sample in found] == [pixels(sample) for sample in wanted]
    if name in ("jsonl", "webdataset", "energon", "mds"):  # ours keep everything
        for new, old in zip(found, wanted, strict=True):
            assert (new.messages, new.objects, new.answers) == (old.messages, old.objects, old.answers)
            assert (new.provenance, new.quality, new.decision) == (old.provenance, old.quality, old.decision)
    if name == "swift":  # one box stays a box
        assert found[0].messages[2].parts[0] == BoxesPart("a cat", (Box(1, 2, 30, 999),))


def test_rows_that_a_format_cannot_express_are_named(tmp_path):
    place = Message("user", (TextPart("what does <image> mean?"),))
    odd = Sample("odd", (place, Message("assistant", (TextPart("a place"),))))
    open_end = Sample("open", (Message("user", (TextPart("hi"),)),))
    for name in ("llava", "swift", "parquet"):
        files, faults = FORMATS[name]([odd, open_end], tmp_path / name, "0")
        assert files == []
        assert faults == ["a text holds what the format reads as a place", "does not end with an answer"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_file_of_a_format_is_in_its_manifest(out, name):
    folder = out / name
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    told = {file.name for receipt in read_manifest(folder) for file in receipt.files}
    assert {path for path in found if not path.startswith("done/")} == {*told, "manifest.jsonl"}
    assert find_damaged(folder) == []


@pytest.mark.parametrize("name", ["energon/.nv-meta/index.sqlite", "energon/00000001.tar.idx", "mds/index.json"])
def test_damage_of_what_stands_beside_shards_is_found(out, tmp_path, name):
    copy = shutil.copytree(out, tmp_path / "run")
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[:-1] + b"?")
    format_, _, inside = name.partition("/")
    told = CliRunner().invoke(app, ["corpus", "verify", str(copy / format_)])
    assert (told.exit_code, told.stdout) == (1, f"{inside} is missing, or is not what was written.\n")


def test_a_block_of_large_images_is_several_shards_of_mds(tmp_path, monkeypatch):
    monkeypatch.setattr(write_mds, "SHARD_BYTES", 20_000)
    rows = [ingest(grounded(number), Source(name="drawn", path="")) for number in range(9)]
    files, faults = FORMATS["mds"](rows, tmp_path, "00000003")
    assert len(files) > 2 and not faults and all(file.bytes < 25_000 for file in files)
    FORMATS["mds"](rows[:1], tmp_path, "00000004")
    written = sorted(tmp_path.glob("*.mds"))
    close_mds(tmp_path, [describe_file(tmp_path, path.name) for path in written])
    listed = json.loads((tmp_path / "index.json").read_bytes())["shards"]
    assert [shard["raw_data"]["basename"] for shard in listed] == [path.name for path in written]
    assert sum(shard["samples"] for shard in listed) == 10
    assert [row.id for row in open_records(str(tmp_path))] == [row.id for row in [*rows, rows[0]]]


def test_energon_finds_rows_and_parts_by_its_index(out):
    """Where `.nv-meta` says that a row or a part lies, it lies."""
    folder = out / "energon"
    counts = json.loads((folder / ".nv-meta" / ".info.json").read_bytes())["shard_counts"]
    with closing(sqlite3.connect(folder / ".nv-meta" / "index.sqlite")) as index:
        rows = list(index.execute("SELECT * FROM samples ORDER BY tar_file_id, sample_index"))
        parts = list(index.execute("SELECT * FROM sample_parts"))
    tars = {number: (folder / name).read_bytes() for number, name in enumerate(counts)}
    assert sum(counts.values()) == len(rows) == NUM_DRAWN and len({key for _, key, *_ in rows}) == NUM_DRAWN
    for number, name in enumerate(counts):
        places = np.frombuffer((folder / f"{name}.idx").read_bytes(), "<u8").tolist()
        here = [(offset, offset + size) for shard, _, _, offset, size in rows if shard == number]
        assert here == list(itertools.pairwise(places))
    for shard, key, _, offset, size in rows:
        (row,) = unpack(tars[shard][offset : offset + size])
        assert tars[shard][offset:].startswith(f"{key}.json".encode()) and len(row.images) == 2
    for shard, _, name, offset, size in parts:
        data = tars[shard][offset : offset + size]
        assert json.loads(data) if name == "json" else image_suffix(data) == name.partition(".")[2]
    assert len(parts) == 3 * NUM_DRAWN


def test_a_row_that_is_too_large_for_mds_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(write_mds, "MOST_ROW_BYTES", 100)
    files, faults = FORMATS["mds"]([grounded(1)], tmp_path, "0")
    assert files == [] and faults == ["a row is too large for the format"]


def test_the_same_picture_is_one_file(tmp_path):
    row = grounded(1)
    row = Sample(row.id, row.messages, images=(row.images[0], row.images[0]))
    files, _ = FORMATS["jsonl"]([row, row], tmp_path, "0")
    assert len(files) == 2  # the picture and the lines


def test_a_tar_gives_back_what_it_took():
    rows = [grounded(1), Sample("plain", (Message("user", (TextPart("\ud800 half a pair"),)),))]
    sized = Sample("sized", (), images=(ImageSource(data=rows[0].images[0].data, width=48, height=36),))
    assert unpack(pack([*rows, sized])) == [*rows, sized]
    assert pack(rows) == pack(rows)
