"""Worlds of one to four processes, one after the other in the same processes, and a toy that trains in each."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from tests.parallel.layouts import own
from tests.parallel.toy import OBJECTIVE, Step, toy_config
from tests.processes import start
from vl2.data.lane_state import LaneState, StreamState
from vl2.model import VL2
from vl2.parallel.apply import ParallelModel, parallelize
from vl2.parallel.mesh import Meshes
from vl2.parallel.plan import ParallelPlan

NUM_LANES = 4
SMALL_FILE = 1 << 14  # bytes; the weights of the least toy have ten times as many
LANES = list(range(NUM_LANES))


def spawn(work: Callable[..., None], folder: Path, nprocs: int, *arguments: object) -> None:
    """Call `work(rank, folder, *arguments)` in so many processes."""
    start(_begin, work, str(folder), *arguments, count=nprocs)


def _begin(rank: int, work: Callable[..., None], folder: str, *arguments: object) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    work(rank, Path(folder), *arguments)


@contextmanager
def world(folder: Path, name: str, rank: int, size: int) -> Iterator[None]:
    """Form a group of `size` processes; each of them calls this."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting-{name}", rank=rank, world_size=size)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def small_files() -> Iterator[None]:
    """Let no file grow larger than SMALL_FILE, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def wait_for(path: Path) -> None:
    """Wait until another process has made a file."""
    while not path.exists():
        time.sleep(0.01)


def little(attention: str) -> VL2:
    """Return a toy of fewer layers than `toy` has."""
    config = toy_config(attention)
    vision, language = replace(config.vision_config, layers=1), replace(config.language_config, num_hidden_layers=2)
    torch.manual_seed(7)
    return VL2(replace(config, vision_config=vision, language_config=language))


class Run:
    """A toy in a layout, with its optimizer. The weights of one that goes on are wrong at first."""

    def __init__(self, model: VL2, plan: ParallelPlan, *, goes_on: bool = False) -> None:
        count = plan.num_stages if plan.schedule == "dualpipev" else plan.world_size // plan.data_parallel
        self.config, self.num_microbatches = model.config, count * plan.data_parallel
        plan = replace(plan, num_microbatches=count)
        self.model = parallelize(model, Meshes.of(plan, torch.device("cpu")), plan, OBJECTIVE)
        self.optimizer = optimizer_of(self.model)
        with torch.no_grad():
            for _, parameter in self.model.named_parameters() if goes_on else ():
                parameter.add_(1)

    def train(self, seed: int) -> float:
        """Learn from one step; returns its loss."""
        step = Step.of(seed, has_images=True, config=self.config, count=self.num_microbatches)
        loss = float(self.model.step(own(step, self.model), step.num_tokens))
        self.model.clip(1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def stream(self, step: int) -> StreamState:
        """Return a state as the stream of this rank has it: its share of the lanes."""
        share = NUM_LANES // self.model.plan.data_parallel
        first = self.model.meshes.data_rank * share
        lanes = {
            number: LaneState(served={"a": number * step}, cursors={}, skipped={})
            for number in range(first, first + share)
        }
        return StreamState(step=step, fingerprint={"seed": 0}, lanes=lanes)

    def state(self) -> dict[str, Tensor]:
        """Return what this process has of weights, moments and numbers of steps, by name."""
        parts: dict[str, Tensor] = dict(self.model.named_parameters())
        for group in self.optimizer.param_groups:
            for name, parameter in zip(group["names"], group["params"], strict=True):
                parts |= {f"{kind} of {name}": value for kind, value in self.optimizer.state.get(parameter, {}).items()}
        return parts

    def whole(self) -> dict[str, Tensor]:
        """Return the state of the whole model, bit for bit, on every process."""
        found = {name: full(part) for name, part in self.state().items()}
        everywhere: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everywhere, found)
        return {name: tensor for some in everywhere for name, tensor in some.items()}


def full(part: Tensor) -> Tensor:
    return (part.full_tensor() if isinstance(part, DTensor) else part).detach().clone()


def different(found: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """Return the names of tensors that differ in type or in any bit, or are missing on one side."""
    return sorted(found.keys() ^ expected.keys()) + [
        name
        for name in found.keys() & expected.keys()
        if found[name].dtype != expected[name].dtype or not torch.equal(found[name], expected[name])
    ]


def optimizer_of(model: ParallelModel) -> torch.optim.Optimizer:
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for _, p in some], "names": [name for name, _ in some], "lr": rate}
        for some, rate in ((named[::2], 1e-3), (named[1::2], 1e-4))
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.1, foreach=False)
