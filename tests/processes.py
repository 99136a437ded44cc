"""Processes of a test that compute together: forked from one that has imported what they need."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import torch.multiprocessing as mp

IMPORTED = ["tests.parallel.layouts", "tests.train.stage_toys", "tests.train.snapshot_worlds"]


def start(work: Callable[..., None], *arguments: object, count: int) -> None:
    """Call `work(rank, *arguments)` in `count` processes and wait for them. Raises what one of them raises."""
    multiprocessing.set_forkserver_preload(IMPORTED)  # PyTorch takes seconds, which every new process would pay
    mp.start_processes(work, arguments, nprocs=count, start_method="forkserver")
