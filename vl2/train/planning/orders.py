"""Pipeline schedules: in which order each process runs the forward and backward passes of its stages.

GPipe (arXiv 1811.06965), 1F1B (2006.09503), interleaved (2104.04473), zero-bubble H1 (2401.10241) and its V-shaped
form with two stages a process (2405.15362). The last two run the backward of inputs and of weights apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from vl2.train.train_config import ScheduleName

OpKind = Literal["forward", "backward", "input", "weight"]  # backward is both of the last two


@dataclass(frozen=True)
class Op:
    """One pass of a microbatch through a stage."""

    kind: OpKind
    stage: int
    microbatch: int


Orders = tuple[tuple[Op, ...], ...]  # by process


@lru_cache(maxsize=256)
def orders_of(schedule: ScheduleName, *, pp: int, chunks: int, microbatches: int) -> Orders:
    """Return the passes of every process in order. Stages of a process: see `rank_of`."""
    match schedule:
        case "gpipe":
            return tuple(_gpipe(rank, microbatches) for rank in range(pp))
        case "1f1b":
            return tuple(_interleaved(rank, pp, 1, microbatches) for rank in range(pp))
        case "interleaved":
            return tuple(_interleaved(rank, pp, chunks, microbatches) for rank in range(pp))
        case "zero_bubble":
            return tuple(_zero_bubble(rank, pp, microbatches) for rank in range(pp))
        case "zbv":
            return _in_a_v(pp, microbatches)


def rank_of(stage: int, pp: int, schedule: ScheduleName) -> int:
    """Return the process that holds a stage: round after round, or there and back in a V."""
    if schedule == "zbv" and stage >= pp:
        return 2 * pp - 1 - stage
    return stage % pp


def _gpipe(rank: int, microbatches: int) -> tuple[Op, ...]:
    kinds: tuple[OpKind, ...] = ("forward", "backward")
    return tuple(Op(kind, rank, number) for kind in kinds for number in range(microbatches))


def _interleaved(rank: int, pp: int, chunks: int, microbatches: int) -> tuple[Op, ...]:
    """Warm up, then one forward and one backward in turn; a chunk runs a round of microbatches before the next."""
    size = microbatches // max(1, microbatches // pp)  # microbatches of a round
    total = microbatches * chunks
    warmup = pp - 1 - rank if chunks == 1 else 2 * (pp - 1 - rank) + (chunks - 1) * size
    warmup = min(warmup, total)

    def op(kind: OpKind, number: int) -> Op:
        around, within = divmod(number, size * chunks)
        chunk = within // size if kind == "forward" else chunks - 1 - within // size
        return Op(kind, chunk * pp + rank, around * size + within % size)

    ops = [op("forward", number) for number in range(warmup)]
    for number in range(total - warmup):
        ops += [op("forward", warmup + number), op("backward", number)]
    return (*ops, *(op("backward", number) for number in range(total - warmup, total)))


def _zero_bubble(rank: int, pp: int, microbatches: int) -> tuple[Op, ...]:
    """Run 1F1B, with each backward of weights as many microbatches late as the process is deep in the pipeline."""
    ops = [Op("forward", rank, number) for number in range(min(pp - 1 - rank, microbatches))]
    first = len(ops)
    for number in range(microbatches):
        if first + number < microbatches:
            ops.append(Op("forward", rank, first + number))
        ops.append(Op("input", rank, number))
        if number >= rank:
            ops.append(Op("weight", rank, number - rank))
    return (*ops, *(Op("weight", rank, number) for number in range(max(0, microbatches - rank), microbatches)))


def _in_a_v(pp: int, microbatches: int) -> Orders:
    """Play the pipeline with passes of equal length: inputs' backward first, forward next, weights in the gaps.

    A process holds no more than 1F1B's first one does: pp microbatches of both its stages.
    """
    num_stages = 2 * pp
    stages = [[rank, num_stages - 1 - rank] for rank in range(pp)]
    done: dict[OpKind, list[int]] = {kind: [0] * num_stages for kind in ("forward", "input", "weight")}
    orders: list[list[Op]] = [[] for _ in range(pp)]
    while min(done["weight"]) < microbatches:
        chosen = [_choose(pair, done, microbatches) for pair in stages]
        for rank, op in enumerate(chosen):
            if op is not None:
                orders[rank].append(op)
                done[op.kind][op.stage] += 1
    return tuple(map(tuple, orders))


def _choose(pair: list[int], done: dict[OpKind, list[int]], microbatches: int) -> Op | None:
    """Return what a process runs next, given what all have done; None when it must wait."""
    forward, inputs, weights = done["forward"], done["input"], done["weight"]
    for stage in reversed(pair):
        ready = forward[stage] if stage == len(forward) - 1 else inputs[stage + 1]
        if inputs[stage] < ready:
            return Op("input", stage, inputs[stage])
    held = sum(forward[stage] - weights[stage] for stage in pair)
    for stage in reversed(pair):
        ready = microbatches if stage == 0 else forward[stage - 1]
        if forward[stage] < ready and held < len(forward):
            return Op("forward", stage, forward[stage])
    for stage in pair:
        if weights[stage] < inputs[stage]:
            return Op("weight", stage, weights[stage])
    return None
