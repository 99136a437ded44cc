"""Run local: an executor of this machine's processes. Any executor runs blocks; in which order is its own affair."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Protocol

from vl2.core.errors import ConfigError, VL2Error

AHEAD = 2  # blocks that wait for each worker


class Executor(Protocol):
    """Whatever runs the blocks of a stage, here or on many machines."""

    def run(self, work: Callable[[int], int], blocks: Sequence[int]) -> Iterator[int]:
        """Call `work` with every block once; yield what it returns, in any order."""
        ...

    def release(self) -> None:
        """Give back what the blocks so far have left in memory: models, fonts, figures."""
        ...


class LocalExecutor:
    """Processes of this machine, kept from stage to stage until released; with one worker, this process."""

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise ConfigError("workers", "are too few", got=workers, expected="at least 1")
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """End the processes; the next stage starts others."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def run(self, work: Callable[[int], int], blocks: Sequence[int]) -> Iterator[int]:
        """Yield the results as they come. Raises VL2Error when a worker dies."""
        if self._workers == 1:
            yield from map(work, blocks)
            return
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a forked process inherits locks that nobody opens
            self._pool = ProcessPoolExecutor(self._workers, context, _end_with_parent)
        try:
            yield from _run(self._pool, work, blocks, self._workers * AHEAD)
        except BrokenProcessPool:
            do = "Run it again: it goes on where it was. With smaller block_rows a worker needs less memory."
            raise VL2Error("corpus workers", "a process has died", do=do) from None


def _run(pool: ProcessPoolExecutor, work: Callable[[int], int], blocks: Sequence[int], ahead: int) -> Iterator[int]:
    left = iter(blocks)
    running: set[Future[int]] = {pool.submit(work, block) for block in islice(left, ahead)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        running |= {pool.submit(work, block) for block in islice(left, len(done))}
        yield from (future.result() for future in done)


def _end_with_parent() -> None:
    """Let a worker end when the process that started it was killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
