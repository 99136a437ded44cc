"""Parquet rows: one row group is one piece, read in small batches. Needs pyarrow."""

from __future__ import annotations

from typing import Any

import numpy as np

from vl2.core.errors import VL2Error
from vl2.data.faults import Fault
from vl2.data.records.files import MAX_PIECE_BYTES, open_file
from vl2.data.records.row import Row

_BATCH_ROWS = 16


class ParquetRows:
    """The rows of a .parquet file; images are columns of bytes, or of structs with `bytes` and `path`."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open_file(path) as file:
            groups = _parquet(path, file).metadata
        self.piece_rows = np.array([groups.row_group(number).num_rows for number in range(groups.num_row_groups)], int)
        sizes = [groups.row_group(number).total_byte_size for number in range(groups.num_row_groups)]
        if max(sizes, default=0) > MAX_PIECE_BYTES:
            raise VL2Error(
                path, "a row group is too large", got=f"{max(sizes)} bytes", expected=f"at most {MAX_PIECE_BYTES}",
                do="Write it again with a smaller row_group_size.",
            )  # fmt: skip

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the rows of one row group; what its header promises but does not hold is a fault."""
        num_rows, num_bytes, rows = int(self.piece_rows[piece]), 0, []
        with open_file(self.path) as file:
            try:
                for batch in _parquet(self.path, file).iter_batches(_BATCH_ROWS, row_groups=[piece]):
                    num_bytes += batch.nbytes
                    if num_bytes > MAX_PIECE_BYTES:  # its header said otherwise
                        break
                    rows += [Row(record) for record in batch.to_pylist()]
            except _errors():
                pass
        return [*rows[:num_rows], *[Fault("a damaged row group")] * (num_rows - len(rows))]


def _parquet(path: str, file: Any) -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise VL2Error(path, "Parquet needs pyarrow", do="Run `pip install pyarrow`.") from None
    try:
        return parquet.ParquetFile(file)
    except _errors() as error:
        raise VL2Error(path, f"not Parquet: {str(error)[:80]}", do="Fetch the file again.") from None


def _errors() -> tuple[type[Exception], ...]:
    """Return what pyarrow raises on damaged files; a text that is not UTF-8 is a ValueError."""
    import pyarrow

    return (pyarrow.ArrowException, OSError, ValueError, MemoryError)
