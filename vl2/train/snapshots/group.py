"""What the processes of a snapshot tell each other, over a group of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from vl2.core.errors import VL2Error

T = TypeVar("T")


def own_group() -> dist.ProcessGroup:
    """Return a group of all processes, over CPUs: what is written behind the steps speaks while steps do."""
    group = dist.new_group(backend="gloo")
    assert isinstance(group, dist.ProcessGroup)  # an int where a process is not in it
    return group


def gathered(group: dist.ProcessGroup, value: T) -> list[T]:
    """Return the value of each process."""
    values: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(values, value, group=group)
    return values


def told(group: dist.ProcessGroup, work: Callable[[], T]) -> T:
    """Let the first process do something and tell the others the result. Raises VL2Error everywhere if it fails."""
    answer: list[Any] = [None, None]  # the result, or what went wrong
    if dist.get_rank(group) == 0:
        try:
            answer[0] = work()
        except VL2Error as error:
            answer[1] = (error.thing, str(error).removeprefix(f"{error.thing}: ").rstrip("."))
        except Exception as error:  # noqa: BLE001 - the others wait for an answer, whatever has happened
            answer[1] = ("snapshot", reason(error))
    dist.broadcast_object_list(answer, group_src=0, group=group)
    if answer[1] is not None:
        raise VL2Error(*answer[1])
    return answer[0]


def reason(error: BaseException) -> str:
    """Return what went wrong in one line; of several processes, in the first of them."""
    if isinstance(error, dcp.CheckpointException):
        rank, (first, _) = min(error.failures.items())
        return f"process {rank}: {reason(first)}"
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__} {lines[0]}"[:160].strip()
