"""Discrete-event simulation of a pipeline: when each pass starts and ends, how idle processes are, what they keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vl2.core.errors import ConfigError
from vl2.parallel.plan import ScheduleName
from vl2.train.planning.orders import orders_of, rank_of
from vl2.train.planning.passes import Op, OpKind

Duration = Callable[[Op], float]  # seconds
Ends = dict[tuple[str, int, int], float]  # by what a pass gives, stage and microbatch
RESULTS: dict[OpKind, str] = {
    "forward": "activation", "backward": "gradient", "input": "gradient", "weight": "nothing"
}  # fmt: skip
ROUNDS = 8  # of pp microbatches each, that a long step is simulated with


@dataclass(frozen=True, kw_only=True)
class Span:
    """One pass in time, in seconds from the step's begin."""

    op: Op
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A step of the pipeline."""

    spans: list[list[Span]]  # by process
    seconds: float
    bubble: float  # the share of all processes' time in which they wait


def simulate(
    schedule: ScheduleName, *, pp: int, chunks: int, microbatches: int, duration: Duration, transfer: float = 0.0
) -> Simulation:
    """Run a schedule that `check_layout` has let pass. `transfer` are the seconds from one process to the next."""
    orders = orders_of(schedule, pp=pp, chunks=chunks, microbatches=microbatches)
    ranks = [rank_of(stage, pp, schedule) for stage in range(pp * chunks)]
    ends: Ends = {}
    spans: list[list[Span]] = [[] for _ in range(pp)]
    clocks = [0.0] * pp
    waiting = list(range(pp))
    while waiting:
        num_done = len(ends)
        for rank in waiting:
            for at in range(len(spans[rank]), len(orders[rank])):
                op = orders[rank][at]
                ready = _ready(op, ranks, ends, transfer)
                if ready is None:
                    break
                start = max(clocks[rank], ready)
                clocks[rank] = ends[RESULTS[op.kind], op.stage, op.microbatch] = start + duration(op)
                spans[rank].append(Span(op=op, start=start, end=clocks[rank]))
        waiting = [rank for rank in waiting if len(spans[rank]) < len(orders[rank])]
        if waiting and len(ends) == num_done:
            raise ConfigError("schedule", "processes wait for each other", got=schedule)
    seconds = max(clocks)
    busy = sum(span.end - span.start for row in spans for span in row)
    return Simulation(spans=spans, seconds=seconds, bubble=1 - busy / (pp * seconds) if seconds else 0.0)


def simulate_step(
    schedule: ScheduleName, *, pp: int, chunks: int, microbatches: int, duration: Duration, transfer: float = 0.0
) -> Simulation:
    """Run a schedule of any length: of a long one its begin and end, and as many equal rounds between as it has.

    The spans are those of the shorter run.
    """

    def run(count: int) -> Simulation:
        return simulate(
            schedule, pp=pp, chunks=chunks, microbatches=count, duration=duration, transfer=transfer
        )  # fmt: skip

    count = simulated_count(schedule, pp, microbatches)
    if count == microbatches:
        return run(count)
    long, short = run(count), run(count - ROUNDS * pp // 2)
    a_round = (long.seconds - short.seconds) / (ROUNDS // 2)
    seconds = long.seconds + (microbatches - count) / pp * a_round
    idle = long.bubble * long.seconds - short.bubble * short.seconds  # of half the rounds
    waits = long.bubble * long.seconds + (microbatches - count) / pp * idle / (ROUNDS // 2)
    return Simulation(spans=long.spans, seconds=seconds, bubble=waits / seconds)


def simulated_count(schedule: ScheduleName, pp: int, microbatches: int) -> int:
    """Return how many microbatches show what a step does: after some rounds all are alike."""
    is_short = microbatches <= 2 * ROUNDS * pp
    is_uneven = schedule == "interleaved" and microbatches % pp  # its rounds have a length of their own
    if is_short or is_uneven or schedule == "gpipe":
        return microbatches
    return ROUNDS * pp + microbatches % pp


def bubble_formula(pp: int, chunks: int, microbatches: int) -> float:
    """Return the idle share of GPipe, 1F1B and interleaved schedules with equal stages: (P-1) / (v*m + P-1)."""
    return (pp - 1) / (chunks * microbatches + pp - 1)


def most_held(order: Sequence[Op], size: Callable[[int], float]) -> float:
    """Return the most that a process keeps at once: `size(stage)` of each pass, from forward to the end of backward."""
    held = most = 0.0
    for op in order:
        held += {"forward": 1, "backward": -1, "input": 0, "weight": -1}[op.kind] * size(op.stage)
        most = max(most, held)
    return most


def _ready(op: Op, ranks: Sequence[int], ends: Ends, transfer: float) -> float | None:
    """Return when what a pass needs is there; None when it is not known yet."""
    is_last = op.stage == len(ranks) - 1
    match op.kind:
        case "forward" if op.stage == 0:
            return 0.0
        case "forward":
            needed = ("activation", op.stage - 1, op.microbatch)
        case "weight":
            needed = ("gradient", op.stage, op.microbatch)
        case _ if is_last:
            needed = ("activation", op.stage, op.microbatch)
        case _:
            needed = ("gradient", op.stage + 1, op.microbatch)
    if needed not in ends:
        return None
    return ends[needed] + (transfer if ranks[needed[1]] != ranks[op.stage] else 0.0)
