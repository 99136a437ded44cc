"""Rows: JSON, Parquet and tar files of records, opened by vl2.data.records."""

from __future__ import annotations

from collections.abc import Sequence

from vl2.core.errors import VL2Error
from vl2.corpus.source import Source
from vl2.data.records.files import find_files, kind_of
from vl2.data.records.json_rows import JsonRows
from vl2.data.records.parquet_rows import ParquetRows
from vl2.data.records.row import RecordFile
from vl2.data.records.tar_rows import TarRows


def open_records_of(source: Source) -> Sequence[RecordFile]:
    """Open the files of records that the path of a source names."""
    return [_open(path) for path in find_files(source.path)]


def _open(path: str) -> RecordFile:
    match kind_of(path):
        case ".parquet":
            return ParquetRows(path)
        case ".tar":
            return TarRows(path)
        case ".json" | ".jsonl" | ".ndjson":
            return JsonRows(path)
        case _:
            raise VL2Error(path, "unknown kind of file", expected=".jsonl, .json, .parquet or .tar, perhaps with .gz")
