"""Pipeline schedules: in which order each process runs the forward and backward passes of its stages.

GPipe (arXiv 1811.06965), 1F1B (2006.09503), looped breadth-first (2211.05953), interleaved (2104.04473) and its
zero-bubble form (2401.10241), and two with stages in a V (vl2/train/planning/orders_in_a_v.py). The orders are those
that PyTorch runs: tests/train/planning/test_orders.py holds them together.
"""

from __future__ import annotations

from functools import lru_cache

from vl2.parallel.plan import V_SHAPED, ScheduleName
from vl2.train.planning.orders_in_a_v import dual_pipe, zero_bubble_in_a_v
from vl2.train.planning.passes import Op, OpKind

Orders = tuple[tuple[Op, ...], ...]  # by process


@lru_cache(maxsize=256)
def orders_of(schedule: ScheduleName, *, pp: int, chunks: int, microbatches: int) -> Orders:
    """Return the passes of every process in order. Stages of a process: see `rank_of`."""

    def order(rank: int) -> tuple[Op, ...]:
        match schedule:
            case "gpipe":
                return _gpipe(rank, microbatches)
            case "looped_bfs":
                return _looped(rank, pp, chunks, microbatches)
            case "1f1b" | "interleaved":
                return _interleaved(rank, pp, chunks, microbatches)
            case "zero_bubble":
                return _interleaved(rank, pp, chunks, microbatches, late=rank)
            case "zbv":
                return zero_bubble_in_a_v(rank, pp, microbatches)
            case "dualpipev":
                return dual_pipe(rank, pp, microbatches)

    return tuple(order(rank) for rank in range(pp))


def rank_of(stage: int, pp: int, schedule: ScheduleName) -> int:
    """Return the process that holds a stage: round after round, or there and back in a V."""
    if schedule in V_SHAPED and stage >= pp:
        return 2 * pp - 1 - stage
    return stage % pp


def _gpipe(rank: int, microbatches: int) -> tuple[Op, ...]:
    kinds: tuple[OpKind, ...] = ("forward", "backward")
    return tuple(Op(kind, rank, number) for kind in kinds for number in range(microbatches))


def _looped(rank: int, pp: int, chunks: int, microbatches: int) -> tuple[Op, ...]:
    """Run every microbatch through one stage after the other, and all the way back."""
    passes = [(chunk * pp + rank, number) for chunk in range(chunks) for number in range(microbatches)]
    return (*(Op("forward", *one) for one in passes), *(Op("backward", *one) for one in reversed(passes)))


def _interleaved(rank: int, pp: int, chunks: int, microbatches: int, *, late: int | None = None) -> tuple[Op, ...]:
    """Warm up, then one forward and one backward in turn; a chunk runs a round of microbatches before the next.

    With `late` the backward of weights comes apart, so many passes behind that of inputs.
    """
    size = microbatches // max(1, microbatches // pp)  # microbatches of a round
    total = microbatches * chunks
    hops = 1 if late is not None or chunks == 1 else 2  # to the next process, within the warm-up
    warmup = min(total, hops * (pp - 1 - rank) + (chunks - 1) * size)

    def op(kind: OpKind, number: int) -> Op:
        around, within = divmod(number, size * chunks)
        chunk = within // size if kind == "forward" else chunks - 1 - within // size
        return Op(kind, chunk * pp + rank, around * size + within % size)

    ops = [op("forward", number) for number in range(warmup)]
    for number in range(total):
        if warmup + number < total:
            ops.append(op("forward", warmup + number))
        if late is None:
            ops.append(op("backward", number))
            continue
        ops.append(op("input", number))
        if number >= late:
            ops.append(op("weight", number - late))
    return (*ops, *(op("weight", number) for number in range(max(0, total - (late or 0)), total)))
