"""Memory in huge pages, and memory that goes back to the system.

What is read as one stream or in strides of a page costs few address translations in huge pages.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os

import torch
from torch import Tensor

HUGE_FROM = 1 << 21  # bytes: smaller tensors stay where torch puts them, which writes to every page


def huge_zeros(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return zeros on the CPU, in huge pages where the system has them. Raises MemoryError when there is no room."""
    size = math.prod(shape) * dtype.itemsize
    if size < HUGE_FROM or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.zeros(shape, dtype=dtype)
    try:
        room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # shared memory has no huge pages
        room.madvise(mmap.MADV_HUGEPAGE)
    except OSError as error:
        raise MemoryError(f"no room for {size} bytes") from error
    return torch.frombuffer(room, dtype=dtype).view(shape)


def huge_copy(source: Tensor) -> Tensor:
    """Return a contiguous copy in huge pages."""
    if source.nbytes < HUGE_FROM:
        return source.contiguous()
    return huge_zeros(tuple(source.shape), source.dtype).copy_(source)


def give_back() -> None:
    """Return what was freed to the system: an allocator keeps hundreds of megabytes of a large model's layers."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None  # glibc alone has it
    if trim is not None:
        trim(0)
