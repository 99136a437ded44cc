"""The limits of this machine: how fast memory is read, and how fast matrices are multiplied."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F

from vl2.kernels.native.library import library

DEFAULT_READ_BYTES = 2_003_000_000  # no power of two: streams a power of two apart share their memory banks
ROWS, COLS, DEPTH = 729, 4304, 1152  # the first linear layer of a vision block on one tile
MATMUL_REPEATS = 4
READ_PASSES = 4  # one pass of 50 ms may meet a moment that is not like the sample beside it


class Roofline:
    """A buffer larger than all caches, read by as many threads as the models have."""

    def __init__(self, threads: int, num_bytes: int = DEFAULT_READ_BYTES) -> None:
        self.words = np.ones(num_bytes // 8, dtype=np.uint64)
        self.parts = np.array_split(self.words, threads)
        self.path = "native" if library() is not None else "numpy"
        self._pool = ThreadPoolExecutor(threads)

    def read_gbps(self) -> float:
        """Return gigabytes read a second, a few times over the buffer."""
        native = library()
        start = time.perf_counter()
        for _ in range(READ_PASSES):
            if native is not None:
                native.vl2_read(self.words.ctypes.data, self.words.nbytes // 4)
            else:
                list(self._pool.map(np.bitwise_xor.reduce, self.parts))  # lets go of the interpreter's lock
        return READ_PASSES * self.words.nbytes / (time.perf_counter() - start) / 1e9

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def matmul_gflops(dtype: torch.dtype = torch.bfloat16) -> float:
    """Return the billions of operations a second of a product of the vision tower's size."""
    x = torch.randn(ROWS, DEPTH).to(dtype)
    weight = torch.randn(COLS, DEPTH).to(dtype)
    F.linear(x, weight)
    start = time.perf_counter()
    for _ in range(MATMUL_REPEATS):
        F.linear(x, weight)
    return 2 * ROWS * COLS * DEPTH * MATMUL_REPEATS / (time.perf_counter() - start) / 1e9
