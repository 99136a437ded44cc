"""parallelize: a model laid out over processes, and the step that is the same in every layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.utils.checkpoint import checkpoint

from vl2.core.batch import Batch
from vl2.core.errors import ConfigError
from vl2.model import VL2
from vl2.model.language import Layer
from vl2.model.moe import MoE
from vl2.model.vision import VisionBlock
from vl2.parallel.clip import clip_gradients
from vl2.parallel.expert import share_experts
from vl2.parallel.fsdp import has_own_experts, shard
from vl2.parallel.mesh import Meshes, largest
from vl2.parallel.microbatch import Microbatch, microbatch_of, num_tiles
from vl2.parallel.pipeline import Pipeline
from vl2.parallel.plan import ParallelPlan
from vl2.parallel.stage import Objective, Stage, Watch
from vl2.parallel.tensor import share_matrices
from vl2.parallel.units import Part, num_units, take

TILE_STEP = 4  # a pipeline's tiles are filled up to a multiple of this: every new size takes a schedule of its own


def filled_up(num_tiles: int) -> int:
    """Return the tiles that every microbatch of a pipeline has when the fullest of a step has so many."""
    return num_tiles + -num_tiles % TILE_STEP


def parallelize(model: VL2, meshes: Meshes, plan: ParallelPlan, objective: Objective) -> ParallelModel:
    """Lay a model out as `plan` says. Every process calls this, with equal weights in float32, and gives it away.

    Raises ConfigError on a plan that the processes or the model cannot have.
    """
    plan.check(dist.get_world_size(), model.config)
    ends = plan.stage_ends if plan.pp > 1 else (num_units(model.config),)
    parts = [Part(config=model.config, start=start, end=end) for start, end in zip((0, *ends), ends, strict=False)]
    numbers = plan.stages_of(meshes.pp.get_local_rank()) if plan.pp > 1 else (0,)
    models = {number: take(model, parts[number]) if len(parts) > 1 else model for number in numbers}
    dtype = getattr(torch, plan.precision)
    for number, part_of_model in models.items():
        part_of_model.forward = Stage(part_of_model, parts[number], objective, dtype)  # type: ignore[method-assign]
        _lay_out(part_of_model, meshes, plan)
    return ParallelModel(
        models=models, meshes=meshes, plan=plan, objective=objective,
        pipeline=Pipeline(models, parts, meshes, plan, dtype) if plan.pp > 1 else None,
    )  # fmt: skip


def _lay_out(model: VL2, meshes: Meshes, plan: ParallelPlan) -> None:
    if plan.tp > 1:
        share_matrices(model, meshes.tp)
    if has_own_experts(plan):
        for module in model.modules():
            if isinstance(module, MoE):
                share_experts(module, meshes.ep, meshes.tp)
    if plan.recompute:
        for module in model.modules():
            if isinstance(module, VisionBlock | Layer):
                module.forward = partial(checkpoint, module.forward, use_reentrant=False)
    shard(model, meshes, plan, reshards=plan.reshards)


@dataclass(frozen=True, kw_only=True)
class ParallelModel:
    """What one process has of a model: all of it, or some stages. Weights are DTensors under the model's own names."""

    models: dict[int, VL2]  # by stage
    meshes: Meshes
    plan: ParallelPlan
    objective: Objective
    pipeline: Pipeline | None

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters of this process by the names that they have in the whole model."""
        for model in self.models.values():
            yield from model.named_parameters()

    def step(self, batches: Sequence[Batch], num_tokens: int, watch: Watch | None = None) -> Tensor:
        """Add the gradients of one step to `.grad`; returns the loss of the step, summed over all processes.

        `batches` are this process's microbatches, `plan.num_microbatches` of them; the processes of a pipeline and
        those of tp give the same ones. `num_tokens` are the supervised tokens of the step, over all processes.
        """
        return self._run(batches, num_tokens, watch or Watch(), learns=True)

    def evaluate(self, batches: Sequence[Batch], num_tokens: int, watch: Watch | None = None) -> Tensor:
        """Return the loss that `step` would return."""
        with torch.no_grad():
            loss = self._run(batches, num_tokens, watch or Watch(), learns=False)
        for model in self.models.values():
            for module in model.modules():
                if isinstance(module, FSDPModule):
                    module.reshard()  # else the model's weights would be the gathered ones, not those that learn
        return loss

    def clip(self, max_norm: float) -> Tensor:
        """Scale the gradients so that their norm over all processes is at most `max_norm`; returns it as it was."""
        return clip_gradients((parameter for _, parameter in self.named_parameters()), max_norm, self.meshes)

    def _run(self, batches: Sequence[Batch], num_tokens: int, watch: Watch, *, learns: bool) -> Tensor:
        if len(batches) != self.plan.num_microbatches:
            raise ConfigError(
                "microbatches", "not as many as planned", got=len(batches), expected=self.plan.num_microbatches
            )
        for model in self.models.values():
            model.forward.watch = watch  # type: ignore[union-attr]
        microbatches = self._microbatches(batches, 1 / num_tokens)
        if self.pipeline is not None:
            loss = self.pipeline.step(microbatches) if learns else self.pipeline.evaluate(microbatches)
        else:
            loss = self._accumulate(microbatches, learns=learns)
        loss = loss / self.plan.tp  # whose processes all have the same
        dist.all_reduce(loss)
        return loss

    def _microbatches(self, batches: Sequence[Batch], share: float) -> list[tuple[Tensor, Microbatch]]:
        """Return tiles and the rest of each, those without images first, so that the last one reaches all weights."""
        # a vision tower runs on all processes or on none: they gather its weights and sum its gradients together
        most = largest([num_tiles(batch) for batch in batches], self.meshes.device)
        if self.pipeline is not None:
            slots = [filled_up(max(most))] * len(most)
        else:
            slots = [max(num_tiles(batch), min(number, 1)) for batch, number in zip(batches, most, strict=True)]
        config = next(iter(self.models.values())).config
        return [
            microbatch_of(
                batches[number], self.objective.targets(batches[number]), config, num_slots=slots[number],
                share=share, number=number,
            )
            for number in sorted(range(len(batches)), key=lambda number: most[number] > 0)
        ]  # fmt: skip

    def _accumulate(self, microbatches: Sequence[tuple[Tensor, Microbatch]], *, learns: bool) -> Tensor:
        """Run one microbatch after the other."""
        model = self.models[0]
        assert isinstance(model, FSDPModule)
        total = torch.zeros((), device=self.meshes.device)
        for number, (tiles, microbatch) in enumerate(microbatches):
            is_last = number == len(microbatches) - 1
            # shards are summed each time, lest whole gradients pile up; copies are summed once
            model.set_requires_gradient_sync(is_last or self.plan.dp_shard > 1)
            model.set_requires_all_reduce(is_last)
            loss = model(tiles, **vars(microbatch))
            if learns:
                loss.sum().backward()
            total += loss.detach().sum()
        return total
