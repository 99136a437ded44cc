"""Parquet folders as the hub has them: one image struct {bytes, path} a column, splits by file name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource

BATCH_ROWS = 16
MOST_BYTES = 32 << 20  # of one image


def read_parquet(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a file, or of the files of a split under a folder, in the order of their names.

    Raises VL2Error when there is none, or one cannot be read.
    """
    import pyarrow as arrow
    from pyarrow import parquet

    for file in files_of(path, split):
        try:
            for batch in parquet.ParquetFile(file).iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    yield {name: _value(value) for name, value in row.items()}
        except (arrow.ArrowException, OSError) as error:
            raise VL2Error(
                str(file), "cannot be read as Parquet", got=str(error).splitlines()[0][:100], do="Fetch it again."
            ) from None


def files_of(path: Path, split: str) -> list[Path]:
    """Return the Parquet files of a split; without a split, all of them. Raises VL2Error when there is none."""
    if path.is_file():
        return [path]
    files = sorted(path.rglob("*.parquet"))
    chosen = [file for file in files if not split or _split_of(file) == split]
    if not chosen:
        splits = sorted({_split_of(file) for file in files})
        raise VL2Error(
            str(path), f"holds no Parquet file of split {split!r}" if split else "holds no Parquet file",
            got=", ".join(splits) or "none", do="Choose one with --split.",
        )  # fmt: skip
    return chosen


def _split_of(file: Path) -> str:
    """Return `validation` for validation-00000-of-00002.parquet."""
    return file.stem.partition("-")[0]


def _value(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() <= {"bytes", "path"}:
        data = value.get("bytes")
        if data is not None and len(data) > MOST_BYTES:
            raise VL2Error("image", "is too large", got=f"{len(data)} bytes", expected=f"at most {MOST_BYTES}")
        return ImageSource(data=data) if data else None
    if isinstance(value, list):
        return [_value(item) for item in value]
    return value
