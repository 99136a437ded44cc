"""MDS: shards of mosaicml-streaming, and the index.json that lists them.

Numbers are uint32, little endian. A shard: how many rows, where each begins and where the last ends, how columns are
encoded (JSON), the rows. A row: the sizes of its columns, then the columns. Source: what mosaicml-streaming 0.13 reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vl2.core.sample import Sample, sample_to_dict
from vl2.corpus.manifest import Shard, Written, describe_file, write_whole, written_whole

INDEX = "index.json"
SHARD_BYTES = 1 << 26  # what a shard grows to before the next begins; places in it are uint32
MOST_ROW_BYTES = 1 << 31
CONFIG: dict[str, Any] = {
    "column_encodings": ["list[jpeg]", "json"],  # images keep the bytes that they came with: readers go by signature
    "column_names": ["images", "record"],  # in this order in a row
    "column_sizes": [None, None],
    "compression": None,
    "format": "mds",
    "hashes": ["sha256"],
    "size_limit": SHARD_BYTES,
    "version": 2,
}


def write_mds(batch: Sequence[Sample], folder: Path, stem: str) -> Shard:
    """Write rows as we read them with their images; a block of large images is several shards."""
    rows = list(map(_encode, batch))
    fitting = [row for row in rows if len(row) <= MOST_ROW_BYTES]
    files = [
        write_whole(folder / f"shard.{stem}.{number:03d}.mds", _shard(group))
        for number, group in enumerate(_groups(fitting))
    ]
    return files, ["a row is too large for the format"] * (len(rows) - len(fitting))


def close_mds(folder: Path, shards: Iterable[Written]) -> list[Written]:
    """Write the index of all shards, one by one: a list of millions is never held."""
    with written_whole(folder / INDEX) as part, part.open("w", encoding="utf-8") as out:
        out.write('{"shards": [')
        for number, shard in enumerate(shards):
            out.write(f"{',' if number else ''}\n{json.dumps(_listed(folder, shard), sort_keys=True)}")
        out.write('\n], "version": 2}\n')
    return [describe_file(folder, INDEX)]


def _encode(sample: Sample) -> bytes:
    data = [image.data or b"" for image in sample.images]
    # a list: a number that is always 0, how many, their sizes, the elements
    images = _numbers([0, len(data), *map(len, data)]) + b"".join(data)
    record = json.dumps(sample_to_dict(sample), ensure_ascii=True, sort_keys=True).encode()
    return _numbers([len(images), len(record)]) + images + record


def _groups(rows: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield neighbours that fill a shard."""
    group: list[bytes] = []
    num_bytes = 0
    for row in rows:
        if group and num_bytes + len(row) > SHARD_BYTES:
            yield group
            group, num_bytes = [], 0
        group.append(row)
        num_bytes += len(row)
    if group:
        yield group


def _shard(rows: Sequence[bytes]) -> bytes:
    config = json.dumps(CONFIG, sort_keys=True).encode()
    begin = 4 + 4 * (len(rows) + 1) + len(config)
    places = np.cumsum([begin, *map(len, rows)])
    return _numbers([len(rows), *places]) + config + b"".join(rows)


def _listed(folder: Path, shard: Written) -> dict[str, Any]:
    with (folder / shard.name).open("rb") as stream:
        num_rows = int.from_bytes(stream.read(4), "little")
    data = {"basename": shard.name, "bytes": shard.bytes, "hashes": {"sha256": shard.sha256}}
    return {**CONFIG, "raw_data": data, "samples": num_rows, "zip_data": None}


def _numbers(values: Sequence[int]) -> bytes:
    return np.array(values, "<u4").tobytes()
