"""Worlds of one to four processes, one after the other in the same processes, and a toy that trains in each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed.tensor import DTensor

from tests.parallel.layouts import laid_out, own
from tests.parallel.toy import Step, toy_config
from vl2.data.lane_state import LaneState, StreamState
from vl2.parallel.apply import ParallelModel
from vl2.parallel.plan import ParallelPlan

NUM_MICROBATCHES, NUM_LANES = 4, 4


def spawn(work: Callable[..., None], folder: Path, nprocs: int, *arguments: object) -> None:
    """Call `work(rank, folder, *arguments)` in so many processes."""
    mp.start_processes(_begin, (work, str(folder), *arguments), nprocs=nprocs, start_method="spawn")


def _begin(rank: int, work: Callable[..., None], folder: str, *arguments: object) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    work(rank, Path(folder), *arguments)


@contextmanager
def world(folder: Path, name: str, rank: int, size: int) -> Iterator[None]:
    """Form a group of `size` processes; each of them calls this."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting-{name}", rank=rank, world_size=size)
    yield
    dist.destroy_process_group()


class Run:
    """A toy in a layout, with its optimizer."""

    def __init__(self, attention: str, plan: ParallelPlan, *, starts_elsewhere: bool = False) -> None:
        self.config = toy_config(attention)
        self.model = laid_out(attention, plan, NUM_MICROBATCHES)
        self.optimizer = optimizer_of(self.model)
        if starts_elsewhere:
            with torch.no_grad():
                for _, parameter in self.model.named_parameters():
                    parameter.add_(1)

    def train(self, seed: int) -> float:
        step = Step.of(seed, has_images=True, config=self.config, count=NUM_MICROBATCHES)
        loss = float(self.model.step(own(step, self.model), step.num_tokens))
        self.model.clip(1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def stream(self, step: int) -> StreamState:
        """Return a state as a rank of the stream has it: its share of the lanes."""
        share = NUM_LANES // self.model.plan.data_parallel
        first = self.model.meshes.data_rank * share
        lanes = {
            number: LaneState(served={"a": number * step}, cursors={}, skipped={})
            for number in range(first, first + share)
        }
        return StreamState(step=step, fingerprint={"seed": 0}, lanes=lanes)

    def whole(self) -> dict[str, torch.Tensor]:
        """Return all weights and states of the whole model by name, on the first process."""
        parts: dict[str, Any] = {name: parameter for name, parameter in self.model.named_parameters()}
        for group in self.optimizer.param_groups:
            for name, parameter in zip(group["names"], group["params"], strict=True):
                parts |= {f"{kind} of {name}": value for kind, value in self.optimizer.state[parameter].items()}
        found = {
            name: (part.full_tensor() if isinstance(part, DTensor) else part).detach().clone()
            for name, part in parts.items()
        }
        everywhere: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everywhere, found)
        return {name: tensor for some in everywhere for name, tensor in some.items()}


def optimizer_of(model: ParallelModel) -> torch.optim.Optimizer:
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for _, p in some], "names": [name for name, _ in some], "lr": rate}
        for some, rate in ((named[::2], 1e-3), (named[1::2], 1e-4))
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.1, foreach=False)
