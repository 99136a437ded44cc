"""The compiled kernels as Python functions; without a compiler there are none, and that is said once."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_float, c_int32, c_int64, c_void_p
from functools import lru_cache

import torch

from vl2.core.errors import VL2Error
from vl2.kernels.native import structs
from vl2.kernels.native.compiler import compiled_library

_num_threads = 1
OFF = "VL2_NATIVE"  # set to 0 to do without

SIGNATURES = {
    "vl2_set_threads": (None, [c_int32]),
    "vl2_multiply": (None, [POINTER(structs.Weight), c_void_p, c_int64, c_void_p]),
    "vl2_experts": (None, [POINTER(structs.MlpWeights), *[c_void_p] * 3, *[c_int64] * 3, c_void_p]),
    "vl2_has_tile_unit": (c_int32, []),
    "vl2_learned_forward": (None, [POINTER(structs.LearnedExperts), c_void_p]),
    "vl2_learned_backward": (None, [POINTER(structs.LearnedExperts), c_void_p, POINTER(structs.LearnedGradients)]),
    "vl2_attention_forward": (None, [POINTER(structs.LearnedAttention)]),
    "vl2_attention_backward": (None, [POINTER(structs.LearnedAttention), POINTER(structs.AttentionGradients)]),
    "vl2_attention": (None, [c_int32, *[c_void_p] * 4, *[c_int64] * 4, c_void_p]),
    "vl2_language": (c_int32, [POINTER(structs.Language), POINTER(structs.Step)]),
    "vl2_vision": (None, [POINTER(structs.Vision), c_void_p, c_int64]),
    "vl2_read": (c_float, [c_void_p, c_int64]),
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """Return the kernels with as many threads as torch has; None where they are switched off or cannot be compiled."""
    if os.environ.get(OFF) == "0":
        return None
    try:
        loaded = ctypes.CDLL(str(compiled_library()))
    except (VL2Error, OSError) as error:
        warnings.warn(f"The CPU runs without native kernels, several times slower. {error}", stacklevel=2)
        return None
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    _set_threads(loaded, torch.get_num_threads())
    return loaded


def kernels() -> ctypes.CDLL:
    """Return the kernels. Raises VL2Error where there are none."""
    found = library()
    if found is None:
        raise VL2Error("native kernels", "are not available", do=f"Install g++ and unset {OFF}.")
    return found


@contextmanager
def kernel_threads() -> Iterator[None]:
    """Let PyTorch compute with as many threads as the kernels have."""
    before = torch.get_num_threads()
    torch.set_num_threads(_num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let PyTorch compute in the calling thread alone.

    Between two of its parallel operations its threads wait in a spin, on the cores that the kernels need: a cosine of
    a hundred numbers then costs two milliseconds.
    """
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


def set_num_threads(count: int) -> None:
    """Use as many threads from the next call on."""
    if count < 1:
        raise VL2Error("threads", "must be positive", got=count)
    _set_threads(kernels(), count)


def _set_threads(loaded: ctypes.CDLL, count: int) -> None:
    global _num_threads
    _num_threads = count
    loaded.vl2_set_threads(count)
