"""Prefetch: workers that read and decode ahead. When they finish is theirs; in which order is asked is the stream's."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Literal

import torch

from vl2.core.errors import ConfigError, VL2Error
from vl2.data.faults import Fault
from vl2.data.reader import Measured, Reader

WorkerKind = Literal["threads", "processes"]
Wait = Callable[[], Any]  # returns what a job returns, when it is done


class Workers:
    """Run a reader's jobs: in threads, in processes, or, without workers, where they are asked for.

    Threads share memory, and decoding lets them run side by side; processes also parse side by side.
    """

    def __init__(self, reader: Reader, num_workers: int, kind: WorkerKind = "threads") -> None:
        if num_workers < 0:
            raise ConfigError("num_workers", "must not be negative", got=num_workers)
        self._reader, self._is_remote = reader, kind == "processes" and num_workers > 0
        self._pool = _pool(reader, num_workers, kind) if num_workers else None

    def measure(self, source: str, piece: int, row: int) -> Wait:
        """Measure a row, see Reader. The result is a Measured or a Fault."""
        return self._run("measure", source, piece, row)

    def cut(self, measured: Measured) -> Wait:
        """Cut the tiles of a document, see Reader. The result is a tensor or a Fault."""
        return self._run("cut", measured)

    def close(self) -> None:
        """End the workers; jobs that have not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: str, *arguments: Any) -> Wait:
        if self._pool is None:
            return _once(lambda: getattr(self._reader, job)(*arguments))
        if not self._is_remote:
            return self._pool.submit(getattr(self._reader, job), *arguments).result
        # pickled here: torch would move every tensor through shared memory, of which containers have little
        packed = pickle.dumps(arguments)
        try:
            future = self._pool.submit(_run_there, job, packed)
        except BrokenProcessPool:
            raise _died() from None
        return _once(lambda: pickle.loads(_result(future)))


def _pool(reader: Reader, num_workers: int, kind: WorkerKind) -> Executor:
    if kind == "threads":
        return ThreadPoolExecutor(num_workers, "vl2-data")
    if kind != "processes":
        raise ConfigError("worker_kind", "unknown", got=kind, expected="threads or processes")
    context = multiprocessing.get_context("spawn")  # a forked process inherits locks that nobody opens
    return ProcessPoolExecutor(num_workers, context, _start_there, (pickle.dumps(reader),))


def _once(job: Callable[[], Any]) -> Wait:
    """Return what calls `job` when it is asked for the first time, and keeps its result."""
    kept: list[Any] = []

    def wait() -> Any:
        if not kept:
            kept.append(job())
        return kept[0]

    return wait


def _result(future: Future[bytes]) -> bytes:
    try:
        return future.result()
    except BrokenProcessPool:
        raise _died() from None


def _died() -> VL2Error:
    do = "Use fewer workers: it was perhaps killed for its memory."
    return VL2Error("data workers", "a process has died", do=do)


_reader_there: list[Reader] = []  # in a worker process: its reader


def _start_there(reader: bytes) -> None:
    torch.set_num_threads(1)
    _reader_there.append(pickle.loads(reader))


def _run_there(job: str, arguments: bytes) -> bytes:
    found: Measured | torch.Tensor | Fault = getattr(_reader_there[0], job)(*pickle.loads(arguments))
    return pickle.dumps(found)
