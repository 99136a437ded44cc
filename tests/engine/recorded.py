"""A CUDA graph for a CPU: the tensor operations of one run, done again on the same memory without the Python around."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from vl2.engine.graphs import Step

WAITS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default}  # a graph cannot hold these


def memory(values: object) -> set[int]:
    """Return where the tensors among some values are kept."""
    return {one.untyped_storage().data_ptr() for one in tree_iter(values) if isinstance(one, Tensor)}


class Recorder(TorchDispatchMode):
    """Keep each operation with its inputs and outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple, dict, object]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> object:
        if func in WAITS:
            raise AssertionError(f"the host waits: {func}")
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, out))
        return out


def record(step: Step) -> Step:
    """Capture a step: run it once, then replay what it did, numbers of the host included."""
    step()
    with Recorder() as recorder:
        out = step()

    def again() -> Tensor:
        for func, args, kwargs, old in recorder.operations:
            if func._schema.is_mutable:
                func(*args, **kwargs)
            elif not memory(old) & memory((args, kwargs)):  # a view shows what is new by itself
                new = func(*args, **kwargs)
                for target, value in zip(tree_iter(old), tree_iter(new), strict=True):
                    if isinstance(target, Tensor):
                        target.copy_(value)
        return out

    return again
