"""Memory in huge pages, and memory that goes back to the system.

What is read as one stream or in strides of a page costs few address translations in huge pages.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import weakref
from contextlib import suppress
from threading import Lock

import torch
from torch import Tensor

HUGE_FROM = 1 << 21  # bytes: smaller tensors stay where torch puts them, which writes to every page

_free: list[mmap.mmap] = []  # kept rooms that nothing lies in
_taking = Lock()


def huge_zeros(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return zeros on the CPU, in huge pages where the system has them. Raises MemoryError when there is no room."""
    size = math.prod(shape) * dtype.itemsize
    if not _is_huge(size):
        return torch.zeros(shape, dtype=dtype)
    return torch.frombuffer(_map(size), dtype=dtype).view(shape)


def kept_room(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return values of any kind on the CPU, in huge pages that are kept for the next who asks when these are freed.

    A step of training asks for the same gigabytes again and again; to clear them takes the system longer than to fill
    them with products takes us. Raises MemoryError when there is no room.
    """
    count = math.prod(shape)
    size = count * dtype.itemsize
    if not _is_huge(size):
        return torch.empty(shape, dtype=dtype)
    room = _take(size)
    loan = (ctypes.c_char * size).from_buffer(room)  # tensors hold it until the last of them is freed
    weakref.finalize(loan, _free.append, room).atexit = False
    return torch.frombuffer(loan, dtype=dtype, count=count).view(shape)


def _take(size: int) -> mmap.mmap:
    """Return the smallest free room of this size to twice; else a new one, in place of those just too small."""
    with _taking:
        fitting = [room for room in _free if size <= len(room) <= 2 * size]
        if fitting:
            room = min(fitting, key=len)
            _free.remove(room)
            return room
        _free[:] = [room for room in _free if not size // 2 <= len(room) < size]
        return _map(size)


def _is_huge(size: int) -> bool:
    return size >= HUGE_FROM and hasattr(mmap, "MADV_HUGEPAGE")


def _map(size: int) -> mmap.mmap:
    try:
        room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # shared memory has no huge pages
    except OSError as error:
        raise MemoryError(f"no room for {size} bytes") from error
    with suppress(OSError):  # a kernel that was built without huge pages
        room.madvise(mmap.MADV_HUGEPAGE)
    return room


def huge_copy(source: Tensor) -> Tensor:
    """Return a contiguous copy in huge pages."""
    if source.nbytes < HUGE_FROM:
        return source.contiguous()
    return huge_zeros(tuple(source.shape), source.dtype).copy_(source)


def give_back() -> None:
    """Return what was freed to the system: an allocator keeps hundreds of megabytes of a large model's layers."""
    _free.clear()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None  # glibc alone has it
    if trim is not None:
        trim(0)
