"""Estimate: one run on one machine in one layout, from FLOPs, the simulated pipeline, memory and communication."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from vl2.data.packing import PackLimits
from vl2.model.config import VL2Config
from vl2.parallel.apply import filled_up
from vl2.parallel.plan import ParallelPlan
from vl2.train.paper import PaperRow
from vl2.train.planning.communication import Flow, flows_of
from vl2.train.planning.flops import total_work, unit_work
from vl2.train.planning.hardware import Machine
from vl2.train.planning.layout import Layout, check_layout, parallel_plan
from vl2.train.planning.memory import BF16, USABLE_SHARE, RankMemory, pass_bytes, rank_memory
from vl2.train.planning.orders import orders_of, rank_of
from vl2.train.planning.passes import OpKind
from vl2.train.planning.simulate import Simulation, most_held, simulate_step, simulated_count
from vl2.train.planning.stages import StagePlan, plan_stages
from vl2.train.planning.units import Traffic, Unit, units_of

DAY = 86400.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be trained, on which machine, and what its sequences hold."""

    config: VL2Config
    row: PaperRow
    machine: Machine
    sequence: Traffic
    tile_imbalance: float = 1.0  # the fullest rank's tiles over the mean
    most_tiles: int = PackLimits().tiles  # of a packed sequence

    def fullest(self, *, is_pipelined: bool) -> Traffic:
        """Return a sequence of the fullest rank, for which the others wait.

        A pipeline fills every sequence up to the fullest of a step, and among thousands some are as full as can be.
        """
        if is_pipelined and self.sequence.tiles:
            largest = max(math.prod(canvas) for canvas in self.config.candidate_resolutions)
            image = largest // self.config.vision_config.image_size**2 + 1  # with the thumbnail
            return replace(self.sequence, tiles=filled_up(self.most_tiles if self.row.is_packed else image))
        return replace(self.sequence, tiles=self.sequence.tiles * self.tile_imbalance)

    @property
    def step_tokens(self) -> float:
        """Return the tokens of a step of all processes."""
        return self.row.batch_size * self.sequence.tokens

    @property
    def step_flops(self) -> float:
        """Return the true FLOPs of a step."""
        return total_work(units_of(self.config), self.sequence, self.row).total * self.row.batch_size


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run takes."""

    job: Job
    layout: Layout
    stages: StagePlan
    memory: tuple[RankMemory, ...]  # by process of the pipeline
    simulation: Simulation
    flows: tuple[Flow, ...]  # of the process that sends longest
    step_seconds: float

    @property
    def plan(self) -> ParallelPlan:
        """Return what vl2.parallel is given."""
        return parallel_plan(self.layout, self.job.row, self.stages.ends if self.layout.pp > 1 else ())

    @property
    def peak(self) -> RankMemory:
        """Return the memory of the process that needs most."""
        return max(self.memory, key=lambda memory: memory.total)

    @property
    def fits(self) -> bool:
        """Tell whether every process has room."""
        return self.peak.total <= USABLE_SHARE * self.job.machine.memory

    @property
    def exposed_seconds(self) -> float:
        """Return how long processes only communicate in a step."""
        return self.step_seconds - self.simulation.seconds

    @property
    def tokens_per_gpu(self) -> float:
        """Return tokens a second and GPU."""
        return self.job.step_tokens / self.step_seconds / self.layout.world_size

    @property
    def mfu(self) -> float:
        """Return the share of the machines' peak that true FLOPs take; what is computed again does not count."""
        return self.job.step_flops / (self.step_seconds * self.layout.world_size * self.job.machine.peak_flops)

    @property
    def days(self) -> float:
        """Return the length of the whole stage."""
        return self.job.row.num_tokens / self.job.step_tokens * self.step_seconds / DAY

    @property
    def gpu_hours(self) -> float:
        """Return what is paid for."""
        return self.days * 24 * self.layout.world_size


def estimate(job: Job, layout: Layout) -> Estimate:
    """Return what a layout takes. Raises ConfigError when it cannot run."""
    check_layout(layout, job.config, job.row)
    simulation = pipeline_of(job, _shape(layout))
    seconds, flows = _with_communication(job, layout, simulation.seconds)
    return Estimate(
        job=job,
        layout=layout,
        stages=stages_of(job, layout.num_stages, layout.microbatch),
        memory=memory_of(job, layout),
        simulation=simulation,
        flows=flows,
        step_seconds=seconds,
    )


def least_seconds(job: Job, layout: Layout) -> float:
    """Return what a step takes at least: that of `estimate` without a bubble."""
    return _with_communication(job, layout, _busiest(job, _shape(layout)))[0]


def _with_communication(job: Job, layout: Layout, compute_seconds: float) -> tuple[float, tuple[Flow, ...]]:
    """Return the seconds of a step, and the flows of the process that they add most to.

    All that is not hidden adds, and of the hidden what computation is too short for.
    """
    traffic = job.sequence.times(layout.microbatch)
    found: list[tuple[float, tuple[Flow, ...]]] = []
    for units in _held(stages_of(job, layout.num_stages, layout.microbatch), layout):
        flows = flows_of(units, job.config, job.row, layout, traffic, job.machine)
        hidden = sum(flow.seconds for flow in flows if flow.is_hidden)
        shown = sum(flow.seconds for flow in flows if not flow.is_hidden)
        found.append((shown + max(compute_seconds, hidden), tuple(flows)))
    return max(found, key=lambda one: one[0])


def memory_of(job: Job, layout: Layout) -> tuple[RankMemory, ...]:
    """Return the memory of each process of the pipeline."""
    traffic = job.fullest(is_pipelined=layout.pp > 1).times(layout.microbatch)
    held = _held(stages_of(job, layout.num_stages, layout.microbatch), layout)
    return tuple(
        rank_memory(units, job.config, job.row, layout, traffic, kept)
        for units, kept in zip(held, _kept(job, _shape(layout)), strict=True)
    )


@lru_cache(maxsize=2048)
def _kept(job: Job, shape: Layout) -> tuple[float, ...]:
    """Return the bytes of the passes in flight of each process of the pipeline, at the worst moment."""
    traffic = job.fullest(is_pipelined=shape.pp > 1).times(shape.microbatch)
    count = simulated_count(shape.schedule, shape.pp, shape.num_microbatches(job.row))
    orders = orders_of(shape.schedule, pp=shape.pp, chunks=shape.chunks, microbatches=count)
    stages = stages_of(job, shape.num_stages, shape.microbatch).stages
    sizes = [pass_bytes(units, job.config, shape, traffic) for units in stages]
    return tuple(most_held(order, sizes.__getitem__) for order in orders)


@lru_cache(maxsize=256)
def stages_of(job: Job, num_stages: int, microbatch: int) -> StagePlan:
    """Return the units of each stage, split by what they cost."""
    traffic = job.fullest(is_pipelined=num_stages > 1).times(microbatch)
    return plan_stages(units_of(job.config), num_stages, lambda unit: unit_work(unit, traffic, job.row).total)


@lru_cache(maxsize=256)
def pipeline_of(job: Job, shape: Layout) -> Simulation:
    """Return the simulated step of a process group; of the layout only what a pipeline depends on is looked at."""
    passes = _pass_seconds(job, shape)
    network = job.machine.link if shape.world_size <= job.machine.node_size else job.machine.network
    numbers = job.sequence.tokens * shape.microbatch * job.config.language_config.hidden_size
    return simulate_step(
        shape.schedule,
        pp=shape.pp,
        chunks=shape.chunks,
        microbatches=shape.num_microbatches(job.row),
        duration=lambda op: passes[op.stage][op.kind],
        transfer=numbers * BF16 / shape.tp / network if shape.pp > 1 else 0.0,
    )


@lru_cache(maxsize=2048)
def _pass_seconds(job: Job, shape: Layout) -> tuple[dict[OpKind, float], ...]:
    """Return by stage how long each pass of a microbatch takes."""
    traffic = job.fullest(is_pipelined=shape.pp > 1).times(shape.microbatch)
    rate = job.machine.peak_flops * job.machine.attained * shape.tp
    found = []
    for units in stages_of(job, shape.num_stages, shape.microbatch).stages:
        work = total_work(units, traffic, job.row)
        inputs = work.input_gradient + (work.forward if shape.recompute else 0.0)
        passes: dict[OpKind, float] = {
            "forward": work.forward / rate, "input": inputs / rate, "weight": work.weight_gradient / rate,
            "backward": (inputs + work.weight_gradient) / rate,
        }  # fmt: skip
        found.append(passes)
    return tuple(found)


@lru_cache(maxsize=2048)
def _busiest(job: Job, shape: Layout) -> float:
    """Return the seconds in which the busiest process of the pipeline computes, in a step."""
    busy = [0.0] * shape.pp
    for stage, passes in enumerate(_pass_seconds(job, shape)):
        busy[rank_of(stage, shape.pp, shape.schedule)] += passes["forward"] + passes["backward"]
    return max(busy) * shape.num_microbatches(job.row)


def _shape(layout: Layout) -> Layout:
    """Drop what a pipeline does not depend on, so that layouts share one simulation; dp_shard stays for its reach."""
    return Layout(
        dp_shard=layout.data_parallel, tp=layout.tp, pp=layout.pp, schedule=layout.schedule, chunks=layout.chunks,
        microbatch=layout.microbatch, recompute=layout.recompute,
    )  # fmt: skip


def _held(stages: StagePlan, layout: Layout) -> list[list[Unit]]:
    """Return the units of each process of the pipeline."""
    held: list[list[Unit]] = [[] for _ in range(layout.pp)]
    for number, units in enumerate(stages.stages):
        held[rank_of(number, layout.pp, layout.schedule)] += units
    return held
