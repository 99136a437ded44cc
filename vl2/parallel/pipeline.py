"""Pipeline parallelism: PyTorch's schedules over stages that divide the vision tower too (paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.pipelining import (
    PipelineStage,
    Schedule1F1B,
    ScheduleDualPipeV,
    ScheduleGPipe,
    ScheduleInterleaved1F1B,
    ScheduleInterleavedZeroBubble,
    ScheduleLoopedBFS,
    ScheduleZBVZeroBubble,
)

from vl2.model import VL2
from vl2.parallel.mesh import Meshes
from vl2.parallel.microbatch import Microbatch, Size, names_of_microbatch, size_of
from vl2.parallel.plan import ONE_STAGE, ParallelPlan, ScheduleName
from vl2.parallel.units import Part

SCHEDULES: dict[ScheduleName, Any] = {
    "gpipe": ScheduleGPipe,
    "1f1b": Schedule1F1B,
    "interleaved": ScheduleInterleaved1F1B,
    "looped_bfs": ScheduleLoopedBFS,
    "zero_bubble": ScheduleInterleavedZeroBubble,
    "zbv": ScheduleZBVZeroBubble,
    "dualpipev": ScheduleDualPipeV,
}


class Pipeline:
    """The stages of one process. Each size of microbatches has its own schedule; no tiles is a size as well.

    So there are two strategies, image batches and text batches, over the same weights: without tiles the vision
    stages pass a single number on.
    """

    def __init__(
        self, models: Mapping[int, VL2], parts: Sequence[Part], meshes: Meshes, plan: ParallelPlan, dtype: torch.dtype
    ) -> None:
        self.models, self.parts, self.meshes, self.plan, self.dtype = models, parts, meshes, plan, dtype
        self._schedules: dict[Size, Any] = {}

    def step(self, microbatches: Sequence[tuple[Tensor, Microbatch]]) -> Tensor:
        """Run all microbatches forward and backward; returns the sum of their losses, 0 but on the last stage.

        Gradients are added to `.grad`. Raises ConfigError on microbatches of several sizes.
        """
        size = size_of(microbatches)
        if size not in self._schedules:
            self._schedules[size] = self._schedule(size)
        schedule = self._schedules[size]
        told = {
            name: torch.cat([getattr(microbatch, name) for _, microbatch in microbatches])
            for name in names_of_microbatch()
        }
        first = ()
        if 0 in self.models:
            tiles = torch.cat([tiles for tiles, _ in microbatches])
            first = (tiles if size.tiles else tiles.new_zeros(len(microbatches)),)
        losses: list[Tensor] = []
        # the loss is what the last stage returns; a target is asked for nevertheless
        schedule.step(*first, target=told["number"], losses=losses, return_outputs=False, **told)
        return torch.stack(losses).detach().sum() if losses else torch.zeros((), device=self.meshes.device)

    def evaluate(self, microbatches: Sequence[tuple[Tensor, Microbatch]]) -> Tensor:
        """Run all microbatches forward; returns as `step` does.

        One is on its way at a time: PyTorch's V-shaped schedules cannot go without backward passes.
        """
        size, total = size_of(microbatches), torch.zeros((), device=self.meshes.device)
        for tiles, microbatch in microbatches:
            out: Any = (tiles,)
            for number, model in sorted(self.models.items()):
                if number and number - 1 not in self.models:
                    out = [
                        torch.empty_like(t, device=tiles.device)
                        for t in self._activations(self.parts[number - 1], size)
                    ]
                    for tensor in out:
                        dist.recv(tensor, group=self.meshes.pp.get_group(), group_src=self._holder(number - 1))
                out = model(*out, **vars(microbatch))
                if number == len(self.parts) - 1:
                    total += out.sum()
                elif number + 1 not in self.models:
                    for tensor in out:
                        dist.send(tensor, group=self.meshes.pp.get_group(), group_dst=self._holder(number + 1))
        return total

    def _holder(self, stage: int) -> int:
        return next(rank for rank in range(self.plan.pp) if stage in self.plan.stages_of(rank))

    def _schedule(self, size: Size) -> Any:
        stages = [self._stage(number, model, size) for number, model in self.models.items()]
        return SCHEDULES[self.plan.schedule](
            stages[0] if self.plan.schedule in ONE_STAGE else stages,
            self.plan.num_microbatches,
            loss_fn=lambda output, target: output.sum(),
            scale_grads=False,  # each loss is its part of the step's mean already
        )

    def _stage(self, number: int, model: VL2, size: Size) -> PipelineStage:
        is_last = number == len(self.parts) - 1
        ends = (self._loss(),) if is_last else self._activations(self.parts[number], size)
        return PipelineStage(
            model, number, len(self.parts), self.meshes.device,
            input_args=self._activations(self.parts[number - 1], size) if number else self._tiles(size),
            output_args=ends, group=self.meshes.pp.get_group(),
        )  # fmt: skip

    def _tiles(self, size: Size) -> tuple[Tensor]:
        side = self.parts[0].config.vision_config.image_size
        return (torch.empty((size.tiles, 3, side, side) if size.tiles else (1,), device="meta"),)

    def _activations(self, part: Part, size: Size) -> tuple[Tensor, Tensor]:
        """Return what a stage sends on, as tensors without memory."""
        config = part.config
        width = config.language_config.hidden_size
        if part.end > config.vision_config.layers + 1:
            shape = (size.rows, size.length, width)
        elif not size.tiles:
            shape = (1,)
        elif part.has_adaptor:
            shape = (size.tiles * config.tile_side**2 + 2, width)
        else:
            shape = (size.tiles, config.vision_config.patches_per_side**2, config.vision_config.width)
        return torch.empty(shape, dtype=self.dtype, device="meta", requires_grad=True), self._loss()

    def _loss(self) -> Tensor:
        return torch.empty(1, dtype=torch.float32, device="meta", requires_grad=True)
