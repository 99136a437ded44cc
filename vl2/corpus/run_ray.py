"""Run Ray: an executor of a Ray cluster, or of one started here. A lost node costs the blocks that it was at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from vl2.core.errors import ConfigError, VL2Error

RETRIES = 3  # of a block whose process or node is lost; a block that ends every process is not tried for ever
STORE_BYTES = 200_000_000  # Ray's shared memory here; rows travel through files, not through it
_GO_ON = "Run it again: it goes on where it was."


class RayExecutor:
    """Tasks of a Ray cluster, at most `workers` at a time. Every node sees the folders of the recipe."""

    def __init__(self, workers: int = 1, address: str | None = None) -> None:
        if workers < 1:
            raise ConfigError("workers", "are too few", got=workers, expected="at least 1")
        self._workers, self._address = workers, address

    def __enter__(self) -> RayExecutor:
        """Start Ray here, or join the cluster at the address. Raises VL2Error."""
        ray = _import_ray()
        kept: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address is None:
            ray.init(
                "local", num_cpus=self._workers, object_store_memory=STORE_BYTES, include_dashboard=False,
                _node_ip_address="127.0.0.1", **kept,
            )  # fmt: skip
            return self
        try:
            ray.init(self._address, **kept)
        except (ConnectionError, ValueError, RuntimeError) as error:
            problem = f"cannot be joined: {str(error).splitlines()[0][:120]}"
            raise VL2Error(f"Ray at {self._address}", problem, do="Give the address that `ray start` told.") from None
        return self

    def __exit__(self, *_: object) -> None:
        _import_ray().shutdown()

    def run(self, work: Callable[[int], int], blocks: Sequence[int]) -> Iterator[int]:
        """Yield the results as they come. Raises VL2Error when a block has lost its process too often."""
        ray = _import_ray()
        # SPREAD: blocks are alike, and a node that is filled first would be waited for last
        task = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(_do)
        told, folder = ray.put(work), os.getcwd()  # noqa: PTH109 - Ray sends plain strings best
        left = iter(blocks)
        running = [task.remote(told, block, folder) for block in islice(left, self._workers)]
        while running:
            done, running = ray.wait(running)
            running += [task.remote(told, block, folder) for block in islice(left, len(done))]
            yield from map(_result, done)

    def release(self) -> None:
        """Do nothing: Ray ends what idles by itself."""


def _do(work: Callable[[int], int], block: int, folder: str) -> int:
    try:
        os.chdir(folder)  # a recipe's paths are relative to where the run was started
    except OSError:
        do = "Start the run in a folder that all nodes share, at the same path."
        raise VL2Error(folder, "is not there on a node of the cluster", do=do) from None
    return work(block)


def _result(reference: Any) -> int:
    ray = _import_ray()
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        problem = f"a block was lost {RETRIES + 1} times: {str(error).splitlines()[0][:120]}"
        raise VL2Error("corpus workers", problem, do=_GO_ON) from None


def _import_ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to anybody; read when Ray is imported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of its own future
    try:
        import ray
    except ImportError:
        raise VL2Error("--executor ray", "needs Ray", do="Run `pip install 'ray[data]'`.") from None
    return ray
