"""Pocket: deterministic picture generators that make the training and bench data of the pocket model."""

from vl2.corpus.pocket.draw import BENCH_KINDS, TASKS, Task, draw
from vl2.corpus.pocket.shards import write_shards

__all__ = ["BENCH_KINDS", "TASKS", "Task", "draw", "write_shards"]
