"""Energon: WebDataset tars, and in `.nv-meta` what megatron-energon reads before it opens them.

Source: what megatron-energon 7.4 reads and its `energon prepare` writes.
"""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np

from vl2.core.sample import Sample
from vl2.corpus.manifest import Shard, Written, describe_file, write_whole, written_whole
from vl2.corpus.tar import pack

META = ".nv-meta"
INFO, INDEX, SPLIT, DATASET, UUID = ".info.json", "index.sqlite", "split.yaml", "dataset.yaml", "index.uuid"
_TABLES = """
CREATE TABLE samples (tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, sample_index INTEGER NOT NULL,
                      byte_offset INTEGER, byte_size INTEGER);
CREATE TABLE sample_parts (tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, content_byte_offset INTEGER,
                           content_byte_size INTEGER);
"""
_SEARCHED = """
CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index);
CREATE INDEX idx_sample_parts_seq ON sample_parts(tar_file_id, sample_index, content_byte_offset);
CREATE INDEX idx_sample_parts_full ON sample_parts(tar_file_id, sample_index, part_name, content_byte_offset,
                                                   content_byte_size);
"""
# rows as they are; the trainer's own code turns them into its samples
_KIND = "__module__: megatron.energon\n__class__: CrudeWebdataset\nsubflavors: {record: vl2}\n"


def write_energon(batch: Sequence[Sample], folder: Path, stem: str) -> Shard:
    """Write rows as a tar, and where each begins and the last ends beside it; keys are of one row in all shards."""
    if not batch:
        return [], []
    data = pack(batch, f"{stem}-")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        places = [row.offset for row in _rows(archive)] + [archive.offset]
    index = np.array(places, "<u8").tobytes()
    return [write_whole(folder / f"{stem}.tar", data), write_whole(folder / f"{stem}.tar.idx", index)], []


def close_energon(folder: Path, shards: Iterable[Written]) -> list[Written]:
    """Write `.nv-meta`: rows of each shard, all shards as the training split, places of rows and of their parts."""
    meta = folder / META
    meta.mkdir(exist_ok=True)
    names, all_shards = Runs(), sha256()
    with (
        written_whole(meta / INFO) as info_part, info_part.open("w", encoding="utf-8") as info,
        written_whole(meta / INDEX) as index_part, closing(sqlite3.connect(index_part)) as index,
    ):  # fmt: skip
        index.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_TABLES}")
        info.write('{"energon_version": "7.4.1", "shard_counts": {')
        for number, shard in enumerate(shard for shard in shards if shard.name.endswith(".tar")):
            info.write(f"{',' if number else ''}\n{json.dumps(shard.name)}: {_add(index, folder / shard.name, number)}")
            names.add(int(shard.name.removesuffix(".tar")))
            all_shards.update(shard.sha256.encode())
        info.write("\n}}\n")
        index.executescript(_SEARCHED)
        index.commit()
    write_whole(
        meta / SPLIT, f"split_parts:\n  train: {names.to_json()}\n  val: []\n  test: []\nexclude: []\n".encode()
    )
    write_whole(meta / DATASET, _KIND.encode())
    write_whole(meta / UUID, str(uuid.UUID(bytes=all_shards.digest()[:16])).encode())
    return [describe_file(folder, f"{META}/{name}") for name in (INFO, INDEX, SPLIT, DATASET, UUID)]


class Runs:
    """Numbers that mostly follow each other, as patterns of names: `{00000000..00000123}.tar`."""

    def __init__(self) -> None:
        self._runs: list[tuple[int, int]] = []

    def add(self, number: int) -> None:
        """Note a number larger than those before."""
        if self._runs and self._runs[-1][1] == number - 1:
            self._runs[-1] = (self._runs[-1][0], number)
        else:
            self._runs.append((number, number))

    def to_json(self) -> str:
        """Return the patterns, a list that YAML reads too."""
        return json.dumps(
            [f"{a:08d}.tar" if a == b else f"{{{a:08d}..{b:08d}}}.tar" for a, b in self._runs]
        )  # fmt: skip


def _rows(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the first member of each row, which is its JSON."""
    return (member for member in archive if member.name.endswith(".json"))


def _add(index: sqlite3.Connection, path: Path, shard: int) -> int:
    """Note the rows of a shard and their parts; return how many rows."""
    with tarfile.open(path) as archive:
        firsts = list(_rows(archive))
        ends = [*(row.offset for row in firsts[1:]), archive.offset]
        rows = [
            (shard, first.name.partition(".")[0], number, first.offset, end - first.offset)
            for number, (first, end) in enumerate(zip(firsts, ends, strict=True))
        ]
        places = {key: number for _, key, number, _, _ in rows}
        parts = [
            (shard, places[key], name, member.offset_data, member.size)
            for member in archive.getmembers()
            for key, _, name in [member.name.partition(".")]
        ]
    index.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", rows)
    index.executemany("INSERT INTO sample_parts VALUES (?, ?, ?, ?, ?)", parts)
    return len(rows)
