"""Every layout of four processes, and how far its step is from that of one process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from tests.parallel.toy import NUM_MICROBATCHES, NUM_UNITS, OBJECTIVE, Expected, Load, Step, alone, toy
from tests.processes import start
from vl2.core.batch import Batch
from vl2.parallel.apply import ParallelModel, parallelize
from vl2.parallel.mesh import Meshes
from vl2.parallel.plan import ParallelPlan
from vl2.parallel.stage import Watch

WORLD = 4
SHOWS = "VL2_LAYOUTS" in os.environ
CUTS = {2: (5, NUM_UNITS), 4: (2, 6, 9, NUM_UNITS), 8: (1, 3, 4, 6, 7, 8, 10, NUM_UNITS)}
ONE_STAGE, LOOPED, V_SHAPED = ("gpipe", "1f1b"), ("interleaved", "looped_bfs", "zero_bubble"), ("zbv", "dualpipev")


class Difference(NamedTuple):
    """Of a step from that of one process."""

    loss: float
    gradient: float  # the largest of all
    relative: float  # to the largest gradient of the parameter


def pipeline(pp: int, schedule: str, **others: int) -> ParallelPlan:
    chunks = 1 if schedule in ONE_STAGE else 2
    return ParallelPlan(pp=pp, schedule=schedule, chunks=chunks, stage_ends=CUTS[pp * chunks], **others)


PLANS = {
    "dp4": ParallelPlan(dp_replicate=4),
    "fsdp4": ParallelPlan(dp_shard=4),
    "hsdp2x2": ParallelPlan(dp_replicate=2, dp_shard=2),
    "tp2": ParallelPlan(dp_shard=2, tp=2),
    "tp4": ParallelPlan(tp=4),
    "ep2": ParallelPlan(dp_shard=4, ep=2),
    "ep4": ParallelPlan(dp_shard=4, ep=4),
    "ep2 hsdp": ParallelPlan(dp_replicate=2, dp_shard=2, ep=2),
    "tp2 ep2": ParallelPlan(dp_shard=2, tp=2, ep=2),
    "tp2 ep4": ParallelPlan(dp_shard=2, tp=2, ep=4),
    "recompute ep2": ParallelPlan(dp_shard=4, ep=2, recompute=True),
    **{f"pp4 {name}": pipeline(4, name) for name in (*ONE_STAGE, *LOOPED, *V_SHAPED)},
    **{f"pp2 fsdp2 ep2 {name}": pipeline(2, name, dp_shard=2, ep=2) for name in (*ONE_STAGE, *LOOPED, *V_SHAPED)},
    "pp2 tp2 1f1b": pipeline(2, "1f1b", tp=2),
    "pp2 dp2 zbv": pipeline(2, "zbv", dp_replicate=2),
    "pp2 tp2 ep2 interleaved": pipeline(2, "interleaved", tp=2, ep=2),
    "pp2 ep2 recompute zero_bubble": pipeline(2, "zero_bubble", dp_shard=2, ep=2, recompute=True),
    "pp2 ep2 recompute 1f1b": pipeline(2, "1f1b", dp_shard=2, ep=2, recompute=True),
}


def laid_out(
    attention: str, plan: ParallelPlan, num_microbatches: int = NUM_MICROBATCHES, frozen: str = "nothing"
) -> ParallelModel:
    """Build the toy in a layout for steps of so many microbatches, over all processes."""
    plan = replace(plan, num_microbatches=num_microbatches // plan.data_parallel)
    return parallelize(toy(attention, frozen), Meshes.of(plan, torch.device("cpu")), plan, OBJECTIVE)


def own(step: Step, model: ParallelModel) -> list[Batch]:
    """Return the microbatches of this process."""
    return step.batches[model.meshes.data_rank :: model.plan.data_parallel]


def whole_gradients(model: ParallelModel) -> dict[str, Tensor]:
    found = {}
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if gradient is not None:
            found[name] = gradient.full_tensor() if isinstance(gradient, DTensor) else gradient
    return found


def compare(model: ParallelModel, step: Step, expected: Expected, *, counts: bool = True) -> Difference:
    """Return the largest differences over all processes. Raises where a gradient is missing.

    Also where experts were given other tokens, if `counts`: rounding to bfloat16 changes their choice.
    """
    for _, parameter in model.named_parameters():
        parameter.grad = None
    load = Load(next(iter(model.models.values())).config)
    loss = model.step(own(step, model), step.num_tokens, Watch(routing=load.add))
    dist.all_reduce(load.counts)
    if counts and not torch.equal(load.counts, expected.load * model.plan.tp):  # whose processes route the same tokens
        raise AssertionError(f"experts were given {load.counts.tolist()} tokens, not {expected.load.tolist()}")
    worst, relative = 0.0, 0.0
    gradients = whole_gradients(model)
    for name, gradient in gradients.items():
        wanted = expected.gradients[name]
        difference = float((gradient - wanted).abs().max())
        worst, relative = max(worst, difference), max(relative, difference / max(float(wanted.abs().max()), 1e-9))
    names: list[list[str]] = [[] for _ in range(WORLD)]
    dist.all_gather_object(names, list(gradients))
    missing = set(expected.gradients) - {name for some in names for name in some}
    if missing:
        raise AssertionError(f"gradients are missing: {sorted(missing)[:5]}")
    found = torch.tensor([abs(float(loss) - expected.loss), worst, relative])
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return Difference(*found.tolist())


def check_evaluation(model: ParallelModel, step: Step, expected: Expected) -> None:
    """Raise where a step without gradients has another loss, or leaves the next one without them."""
    loss = float(model.evaluate(own(step, model), step.num_tokens))
    again = compare(model, step, expected)
    if abs(loss - expected.loss) > 1e-6 or again.relative > 2e-5:
        raise AssertionError(f"evaluation gave {loss}, not {expected.loss}; the step after it differs by {again}")


def run(rank: int, folder: str, attention: str, names: list[str]) -> None:
    """Run each layout on images, on text alone, and on images again: the schedules of both strategies are kept."""
    steps, expected = torch.load(Path(folder) / "expected.pt", weights_only=False)
    found = {}
    for name in names:
        model = laid_out(attention, PLANS[name])
        found[name] = [compare(model, steps[kind], expected[kind]) for kind in ("images", "text", "images")]
        check_evaluation(model, steps["text"], expected["text"])
        if rank == 0 and SHOWS:
            print(attention, name, *found[name], flush=True)
    if rank == 0:
        torch.save(found, Path(folder) / "found.pt")


def differences(folder: Path, attention: str, names: list[str]) -> dict[str, list[Difference]]:
    """Run layouts on four processes; by name, how each step differs from one process."""
    model = toy(attention)
    steps = {kind: Step.of(3, has_images=kind == "images", config=model.config) for kind in ("images", "text")}
    expected = {kind: alone(model, step) for kind, step in steps.items()}
    torch.save((steps, expected), folder / "expected.pt")
    on_four(run, folder, attention, names)
    return torch.load(folder / "found.pt", weights_only=False)


def on_four(work: Callable[..., None], folder: Path, *arguments: object) -> None:
    """Call `work(rank, folder, *arguments)` in four processes that form a group."""
    start(_begin, work, str(folder), *arguments, count=WORLD)


def _begin(rank: int, work: Callable[..., None], folder: str, *arguments: object) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=WORLD)
    work(rank, folder, *arguments)
    dist.destroy_process_group()
