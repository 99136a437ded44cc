"""Write: kept rows as the files that trainers read. Each writer is read back by vl2.data.records in a test."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vl2.core.encoded import image_hash, image_suffix
from vl2.core.errors import VL2Error
from vl2.core.sample import Sample, sample_to_dict
from vl2.corpus.manifest import Shard, Written, to_line, write_whole
from vl2.corpus.tar import pack
from vl2.corpus.wording import llava_record, swift_record
from vl2.corpus.write_energon import close_energon, write_energon
from vl2.corpus.write_mds import close_mds, write_mds
from vl2.data.faults import RowError, fault_of

Record = Callable[[Sample, Sequence[str]], Mapping[str, Any]]  # of a row and the paths of its images
ROW_GROUP = 100  # rows that a reader of Parquet holds at once


def write_webdataset(batch: Sequence[Sample], folder: Path, stem: str) -> Shard:
    """Write rows and their images as one tar."""
    return ([write_whole(folder / f"{stem}.tar", pack(batch))] if batch else []), []


def write_jsonl(batch: Sequence[Sample], folder: Path, stem: str) -> Shard:
    """Write rows as we read them, an object a line, images as files beside."""
    return _write_lines(batch, folder, f"{stem}.jsonl", _own_record)


def write_swift(batch: Sequence[Sample], folder: Path, stem: str) -> Shard:
    """Write ms-swift's rows, an object a line, images as files beside."""
    return _write_lines(batch, folder, f"{stem}.jsonl", swift_record)


def write_llava(batch: Sequence[Sample], folder: Path, stem: str) -> Shard:
    """Write LLaVA's rows as one array, images as files beside."""
    records, files, faults = _records(batch, folder, llava_record)
    data = json.dumps(records, ensure_ascii=True, indent=1).encode()
    return [*files, *([write_whole(folder / f"{stem}.json", data)] if records else [])], faults


def write_parquet(batch: Sequence[Sample], folder: Path, stem: str) -> Shard:
    """Write conversations with their images as bytes inside; boxes as the model writes them. Needs pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise VL2Error("parquet", "needs pyarrow", do="Run `pip install pyarrow`.") from None
    records, faults = [], []
    for sample in batch:
        try:
            said = llava_record(sample, ())
            _check_unicode(said["conversations"])
        except VL2Error as error:
            faults.append(fault_of(error).reason)
            continue
        images = [{"bytes": image.data, "path": None} for image in sample.images]
        records.append({**said, "images": images, **_told_as_json(sample)})
    if not records:
        return [], faults
    text = pyarrow.string()
    turn = pyarrow.struct({"from": text, "value": text})
    image = pyarrow.struct({"bytes": pyarrow.binary(), "path": text})
    columns = {"id": text, "system": text, "conversations": pyarrow.list_(turn), "images": pyarrow.list_(image)}
    schema = pyarrow.schema({**columns, **dict.fromkeys(_TOLD, text)})
    out = io.BytesIO()
    table = pyarrow.Table.from_pylist(records, schema)
    pyarrow.parquet.write_table(table, out, row_group_size=ROW_GROUP, compression="zstd")
    return [write_whole(folder / f"{stem}.parquet", out.getvalue())], faults


FORMATS: dict[str, Callable[[Sequence[Sample], Path, str], Shard]] = {
    "jsonl": write_jsonl,
    "webdataset": write_webdataset,
    "llava": write_llava,
    "swift": write_swift,
    "parquet": write_parquet,
    "energon": write_energon,
    "mds": write_mds,
}
CLOSINGS: dict[str, Callable[[Path, Iterable[Written]], list[Written]]] = {
    "energon": close_energon,
    "mds": close_mds,
}  # what formats need beside their shards, written when those are

_TOLD = ("provenance", "quality", "objects", "answers")  # what conversations have no place for


def _check_unicode(turns: Sequence[Mapping[str, str]]) -> None:
    try:
        "".join(turn["value"] for turn in turns).encode()
    except UnicodeEncodeError:
        raise RowError("half of a surrogate pair, which UTF-8 has not") from None


def _told_as_json(sample: Sample) -> dict[str, str]:
    record = sample_to_dict(sample)
    return {name: json.dumps(record[name], sort_keys=True) for name in _TOLD}


def _write_lines(batch: Sequence[Sample], folder: Path, name: str, to_record: Record) -> Shard:
    records, files, faults = _records(batch, folder, to_record)
    data = b"".join(map(to_line, records))
    return [*files, *([write_whole(folder / name, data)] if records else [])], faults


def _records(
    batch: Sequence[Sample], folder: Path, to_record: Record
) -> tuple[list[Mapping[str, Any]], list[Written], list[str]]:
    """Return the records, the files of their images, and why rows have none."""
    records: list[Mapping[str, Any]] = []
    files: dict[str, Written] = {}
    faults: list[str] = []
    for sample in batch:
        names = [_image_name(image.data or b"", image_hash(image)) for image in sample.images]
        try:
            record = to_record(sample, names)
        except VL2Error as error:
            faults.append(fault_of(error).reason)
            continue
        records.append(record)
        for name, image in zip(names, sample.images, strict=True):
            if name not in files:
                files[name] = _write_image(folder, name, image.data or b"")
    return records, list(files.values()), faults


def _own_record(sample: Sample, images: Sequence[str]) -> Mapping[str, Any]:
    record = sample_to_dict(sample)
    named = [{**image, "path": name} for image, name in zip(record["images"], images, strict=True)]
    return {**record, "images": named}


def _image_name(data: bytes, digest: str) -> str:
    return f"images/{digest[:2]}/{digest}.{image_suffix(data)}"


def _write_image(folder: Path, name: str, data: bytes) -> Written:
    """Write an image under its hash: the same picture in two rows is one file."""
    path = folder / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    return Written(name=name, bytes=len(data), sha256=path.stem)
