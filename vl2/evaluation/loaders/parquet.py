"""Parquet folders as the hub has them: one image struct {bytes, path} a column, splits by file name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.loaders.within import inside

BATCH_ROWS = 16
BUFFER_BYTES = 1 << 20  # of a column
MOST_BYTES = 32 << 20  # of one image
SPLITS = ("train", "dev", "val", "validation", "test", "testA", "testB", "testmini")


def read_parquet(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a file, or of the files of a split under a folder, in the order of their names.

    Raises VL2Error when there is none, or one cannot be read.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise VL2Error(str(path), "Parquet needs pyarrow", do="Run `pip install 'vl2[evaluation]'`.") from None
    for file in files_of(path, split):
        try:
            # nothing is fetched ahead, or the whole file would be; what is left is a page, at most a group of rows
            with parquet.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False) as opened:
                for batch in opened.iter_batches(batch_size=BATCH_ROWS):
                    for row in batch.to_pylist():
                        yield {name: _value(value, file.parent) for name, value in row.items()}
        except (arrow.ArrowException, OSError, ValueError, ArithmeticError) as error:  # such as texts that are none
            raise VL2Error(
                str(file), "cannot be read as Parquet", got=str(error).partition("\n")[0][:100], do="Fetch it again."
            ) from None


def files_of(path: Path, split: str) -> list[Path]:
    """Return the Parquet files of a split; without a split, all of them.

    Raises VL2Error when there is none, or when several splits would become one score.
    """
    if path.is_file():
        return [path]
    files = sorted(path.rglob("*.parquet"))
    chosen = [file for file in files if not split or _split_of(file) == split]
    splits = sorted({_split_of(file) for file in files})
    if not split and sum(name in SPLITS for name in splits) > 1:
        raise VL2Error(str(path), "holds several splits", got=", ".join(splits)[:160], do="Choose one with --split.")
    if not chosen:
        raise VL2Error(
            str(path), f"holds no Parquet file of split {split!r}" if split else "holds no Parquet file",
            got=", ".join(splits) or "none", do="Choose one with --split.",
        )  # fmt: skip
    return chosen


def _split_of(file: Path) -> str:
    """Return `validation` for validation-00000-of-00002.parquet and, as the hub converts, validation/0000.parquet."""
    name = file.stem.partition("-")[0]
    return file.parent.name if name.isdigit() else name


def _value(value: Any, folder: Path) -> Any:
    if isinstance(value, dict) and value.keys() <= {"bytes", "path"}:
        data, name = value.get("bytes"), value.get("path")
        if data is not None and len(data) > MOST_BYTES:
            raise VL2Error("image", "is too large", got=f"{len(data)} bytes", expected=f"at most {MOST_BYTES}")
        if data:
            return ImageSource(data=data)
        return ImageSource(path=str(inside(folder, name))) if name else None
    if isinstance(value, list):
        return [_value(item, folder) for item in value]
    return value
