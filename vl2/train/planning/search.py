"""Search: the fastest layout that fits a number of GPUs, or why there is none and what would be near."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product

from vl2.core.errors import ConfigError, MemoryPreflightError
from vl2.parallel.plan import ScheduleName
from vl2.train.planning.estimate import Estimate, Job, estimate, least_seconds, memory_of
from vl2.train.planning.hardware import MACHINES
from vl2.train.planning.layout import Layout, check_layout
from vl2.train.planning.memory import USABLE_SHARE, RankMemory

MOST_PP, MOST_TP, MOST_EP = 16, 8, 8
MICROBATCHES = (1, 2, 4)
PIPELINES: tuple[tuple[ScheduleName, int], ...] = (
    ("1f1b", 1), ("interleaved", 2), ("zero_bubble", 2), ("zbv", 2), ("dualpipev", 2),
)  # fmt: skip
NUM_FOUND, NUM_CHOICES = 8, 2
GIGA = 1e9


def search(job: Job, num_gpus: int) -> list[Estimate]:
    """Return the fastest that fit, in order. Raises VL2Error when nothing does, with the nearest choices that do."""
    possible = list(_possible(job, num_gpus))
    if not possible:
        fitting = [n for n in range(max(1, num_gpus // 2), 2 * num_gpus + 1) if next(_possible(job, n), None)]
        near = sorted(sorted(fitting, key=lambda n: abs(n - num_gpus))[:4])
        raise ConfigError(
            "num_gpus", f"no layout divides a batch of {job.row.batch_size}", got=num_gpus,
            expected=", ".join(map(str, near)) or "a divisor of the batch",
        )  # fmt: skip
    fitting = [layout for layout in possible if _total(_memory(job, layout)) <= _room(job)]
    if not fitting:
        _refuse(job, num_gpus, possible)
    bounds = sorted(((least_seconds(job, layout), layout) for layout in fitting), key=lambda one: one[0])
    found: list[Estimate] = []
    for least, layout in bounds:
        if len(found) == NUM_FOUND and least > found[-1].step_seconds:
            break  # none of the others can be among the fastest
        found = sorted([*found, estimate(job, layout)], key=lambda one: one.step_seconds)[:NUM_FOUND]
    return found


def check_fit(job: Job, found: Estimate) -> None:
    """Raise MemoryPreflightError when a layout does not fit, with the parts, and one that does."""
    if found.fits:
        return
    raise MemoryPreflightError(
        str(found.layout), "does not fit", got=_parts(found.peak),
        expected=f"at most {_room(job) / GIGA:.1f} GB of {job.machine.name}",
        do=_nearest(job, found.layout.world_size),
    )  # fmt: skip


def _possible(job: Job, num_gpus: int) -> Iterator[Layout]:
    """Yield the layouts that can run, whether they fit or not."""
    experts, node = job.config.language_config.n_routed_experts or 1, job.machine.node_size
    for shape in _shapes(job, num_gpus):
        ranks, tp = shape.dp_replicate, shape.tp
        for shard in (d for d in divisors(ranks) if d in (1, ranks) or d * tp in (node // 2, node)):
            eps = [ep for ep in divisors(shard * tp) if ep <= MOST_EP and experts % ep == 0]
            for ep, recompute in product(eps, (False, True)):
                yield replace(shape, dp_replicate=ranks // shard, dp_shard=shard, ep=ep, recompute=recompute)


def _shapes(job: Job, num_gpus: int) -> Iterator[Layout]:
    """Yield the pipelines and widths that can run, as replicas."""
    heads = job.config.language_config.num_attention_heads
    for tp in (tp for tp in divisors(heads) if num_gpus % tp == 0 and tp <= min(MOST_TP, job.machine.node_size)):
        for pp in (pp for pp in divisors(num_gpus // tp) if pp <= MOST_PP):
            pipelines = PIPELINES if pp > 1 else PIPELINES[:1]
            for (schedule, chunks), microbatch in product(pipelines, MICROBATCHES):
                shape = Layout(
                    dp_replicate=num_gpus // (tp * pp), tp=tp, pp=pp, schedule=schedule, chunks=chunks,
                    microbatch=microbatch,
                )  # fmt: skip
                if _is_possible(shape, job):
                    yield shape


def divisors(number: int) -> list[int]:
    """Return all divisors in order."""
    return [d for d in range(1, number + 1) if number % d == 0]


def _is_possible(shape: Layout, job: Job) -> bool:
    try:
        check_layout(shape, job.config, job.row)
    except ConfigError:
        return False
    return True


def _memory(job: Job, layout: Layout) -> RankMemory:
    return max(memory_of(job, layout), key=_total)


def _total(memory: RankMemory) -> float:
    return memory.total


def _room(job: Job) -> float:
    return USABLE_SHARE * job.machine.memory


def _refuse(job: Job, num_gpus: int, possible: list[Layout]) -> None:
    least = min((_memory(job, layout) for layout in possible), key=_total)
    raise MemoryPreflightError(
        f"{job.row.variant} {job.row.stage}", f"does not fit {num_gpus} x {job.machine.name}", got=_parts(least),
        expected=f"at most {_room(job) / GIGA:.1f} GB each", do=_nearest(job, num_gpus),
    )  # fmt: skip


def _nearest(job: Job, num_gpus: int) -> str:
    """Name layouts that fit: on as many GPUs, on more of them, or on others."""
    choices = [(job, num_gpus), (job, 2 * num_gpus), (job, 4 * num_gpus), (job, 8 * num_gpus)]
    larger = [other for other in MACHINES.values() if other.memory > job.machine.memory]
    choices += [(replace(job, machine=other), num_gpus) for other in larger]
    found: list[str] = []
    for other, number in choices:
        if len(found) == NUM_CHOICES:
            break
        fitting = [one for one in _possible(other, number) if _total(_memory(other, one)) <= _room(other)]
        if fitting:
            fastest = min(fitting, key=partial(least_seconds, other))
            found.append(f"{number} x {other.machine.name} ({fastest})")
    return f"What fits: {'; '.join(found)}." if found else "Use more GPUs."


def _parts(memory: RankMemory) -> str:
    parts = {name: size for name, size in vars(memory).items() if size >= GIGA / 20}
    shown = " + ".join(f"{name} {size / GIGA:.1f}" for name, size in parts.items())
    return f"{memory.total / GIGA:.1f} GB = {shown}"
