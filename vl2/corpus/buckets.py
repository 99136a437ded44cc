"""Buckets: what is known of all rows, on disk, in parts that each fit into memory however many rows there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

BUCKET_BYTES = 1 << 20  # of records that are sorted at a time
MOST_BUCKETS = 512  # files that are open at a time


class Buckets:
    """Records of one type, spread over files; each is read once, whole, and is gone then."""

    def __init__(self, folder: Path, dtype: Any, number: int) -> None:
        """Make `number` empty buckets in a new folder."""
        self.dtype, self.number = np.dtype(dtype), number
        folder.mkdir()
        self._paths = [folder / f"{bucket}" for bucket in range(number)]
        with ExitStack() as opened:
            self._files = [opened.enter_context(path.open("wb")) for path in self._paths]
            self._opened = opened.pop_all()

    def add(self, records: np.ndarray, places: np.ndarray) -> None:
        """Add records [N] to the buckets of these numbers [N]."""
        order = np.argsort(places, kind="stable")
        edges = np.searchsorted(places[order], np.arange(self.number + 1))
        sorted_records = records[order]
        for bucket in np.flatnonzero(np.diff(edges)):
            self._files[bucket].write(sorted_records[edges[bucket] : edges[bucket + 1]].tobytes())

    def __iter__(self) -> Iterator[np.ndarray]:
        self._opened.close()
        for path in self._paths:
            yield np.fromfile(path, self.dtype)
            path.unlink()


class KeyBuckets(Buckets):
    """Records with `key` and `row`; equal keys are in one bucket."""

    def __init__(self, folder: Path, dtype: Any, num_records: int) -> None:
        size = num_records * np.dtype(dtype).itemsize
        super().__init__(folder, dtype, min(MOST_BUCKETS, 1 + size // BUCKET_BYTES))

    def add_keys(self, records: np.ndarray) -> None:
        """Add records [N]; their keys are hashes."""
        self.add(records, ((records["key"] >> np.uint64(32)) % np.uint64(self.number)).astype(np.int64))

    def groups(self) -> Iterator[np.ndarray]:
        """Yield, for each key that occurs more than once, its records by row."""
        for records in self:
            records = records[np.lexsort((records["row"], records["key"]))]
            keys = records["key"]
            edges = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]])
            for start in np.flatnonzero(np.diff(edges) > 1):
                yield records[edges[start] : edges[start + 1]]


def records_of(dtype: np.dtype, **columns: np.ndarray) -> np.ndarray:
    """Return arrays of one length [N] as records [N]."""
    found = np.empty(len(next(iter(columns.values()))), dtype)
    for name, values in columns.items():
        found[name] = values
    return found


class Column:
    """Values of one type on disk: written one after the other, then read at any place."""

    def __init__(self, path: Path, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self._file = path.open("w+b")
        self._num_values = 0

    def __len__(self) -> int:
        return self._num_values

    def append(self, values: np.ndarray) -> None:
        """Write values [N] behind the others."""
        self._file.write(np.ascontiguousarray(values, self.dtype).tobytes())
        self._num_values += len(values)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return values [stop - start]. Not mapped: pages that are read would count as this process's memory."""
        self._file.flush()
        size = self.dtype.itemsize
        return np.frombuffer(os.pread(self._file.fileno(), (stop - start) * size, start * size), self.dtype)
