"""StageTrainer: the steps of a paper stage in any layout, judged before they move weights, watched, saved, resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from vl2.core.batch import Batch
from vl2.core.errors import ConfigError, VL2Error
from vl2.data.stream import TrainingStream
from vl2.parallel.apply import ParallelModel
from vl2.train.expert_bias import Balance, ExpertBalance
from vl2.train.groups import rate_factors
from vl2.train.schedule import learning_rate
from vl2.train.snapshots import Restored, Snapshots
from vl2.train.stage_data import ready
from vl2.train.step_counts import StepCounts, StepWatch, check_samples, sum_over_data
from vl2.train.train_config import TrainConfig
from vl2.train.watch import SpikeGuard, StepFigures, peak_memory, save_batch

HeldOut = Callable[[], Sequence[Batch]]  # this process's part of the held-out rows
Tell = Callable[[StepFigures], object]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a run is made of, laid out and filled."""

    config: TrainConfig
    model: ParallelModel
    optimizer: torch.optim.Optimizer
    stream: TrainingStream
    snapshots: Snapshots
    held_out: HeldOut | None = None


class StageTrainer:
    """One process of one run. All processes do the same things in the same order."""

    def __init__(self, parts: Parts, restored: Restored | None = None) -> None:
        """Begin at the first step, or behind a snapshot. Raises ConfigError where that is of another stage."""
        self.parts, self.config, self.model = parts, parts.config, parts.model
        self.row = self.config.row
        self.step = 0
        self.guard, self.balance = SpikeGuard(), ExpertBalance()
        self._stages = nn.ModuleList(self.model.models.values())
        self._skipped: dict[str, int] = {}
        if restored is not None:
            self._go_on(restored)

    def run(self, tell: Tell) -> None:
        """Train to the end of the stage. Raises VL2Error when too many steps had to be left out."""
        config = self.config
        while self.step < config.steps:
            figures = self._train_step(tell)
            if self.parts.held_out is not None and self._is_due(config.eval_every):
                figures = replace(figures, eval_loss=self._evaluate(self.parts.held_out))
            tell(figures)
            if self._is_due(config.save_every):
                self._save()
        self.parts.snapshots.wait()

    def _train_step(self, tell: Tell) -> StepFigures:
        began = time.monotonic()
        rows = next(self.parts.stream)
        waited = time.monotonic() - began
        check_samples(rows.ids, self.model)
        counts = StepCounts.of(rows.batches, self.model)
        batches = ready(rows.batches, self.model)
        watch = StepWatch(self.balance, batches)
        loss, norm = self._learn(batches, counts, watch)
        rates = self._set_rates()
        verdict = self.guard.judge(loss, norm)
        if verdict == "apply":
            self.parts.optimizer.step()
        self.parts.optimizer.zero_grad()
        balance = self._balance_experts(is_applied=verdict == "apply")
        self.step += 1
        figures = StepFigures(
            step=self.step, loss=loss, grad_norm=norm, supervised_tokens=counts.supervised, tokens=counts.tokens,
            tiles=counts.tiles, keys=counts.keys, seconds=time.monotonic() - began, data_wait_s=waited,
            learning_rates=rates, balance_loss=watch.balance_loss(self.model, max(1, counts.supervised)),
            expert_load=balance and torch.stack(list(balance.expert_load.values())),
            max_violation=balance and balance.max_violation, memory_bytes=peak_memory(self.model.meshes.device),
            skipped=self._count_skipped(), left_out=self.guard.reason,
        )  # fmt: skip
        if verdict == "stop":
            tell(figures)
            raise self._stopped(batches)
        return figures

    def _learn(self, batches: Sequence[Batch], counts: StepCounts, watch: StepWatch) -> tuple[float, float]:
        """Add up and clip the gradients of a step; returns its loss and their norm, the same in every process."""
        loss = self.model.step(batches, max(1, counts.supervised), watch.watch)
        figures = torch.stack((loss.double(), self.model.clip(self.row.clip).double()))
        dist.broadcast(figures, 0)  # what is judged by them must not differ in the last bit
        return float(figures[0]), float(figures[1])

    def _set_rates(self) -> dict[str, float]:
        """Set the rate of this step; returns it by part of the model."""
        rate = learning_rate(self.row, self.step, self.config.steps)
        for group in self.parts.optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        return {part: rate * factor for part, factor in rate_factors(self.row).items()}

    def _balance_experts(self, *, is_applied: bool) -> Balance | None:
        """Move the biases where the stage does; returns how even the step was, over all layers."""
        step_size = self.row.bias_step if is_applied else None
        own = self.balance.update(self._stages, step_size, lambda loads: sum_over_data(loads, self.model))
        if self.model.plan.pp == 1:
            return own
        everywhere: list[Any] = [None] * self.model.plan.pp
        loads = {layer: load.cpu() for layer, load in own.expert_load.items()} if own else {}
        dist.all_gather_object(everywhere, loads, group=self.model.meshes.pp.get_group())
        together = {layer: load for some in everywhere for layer, load in some.items()}
        return Balance.of(together) if together else None

    def _evaluate(self, held_out: HeldOut) -> float:
        batches = held_out()
        counts = StepCounts.of(batches, self.model)
        return float(self.model.evaluate(ready(batches, self.model), max(1, counts.supervised)))

    def _count_skipped(self) -> dict[str, int]:
        """Return the samples that could not be used, by reason, over all processes; counted anew for every line."""
        if self.step % self.config.log_every and self.step != self.config.steps:
            return self._skipped
        everywhere: list[Any] = [None] * dist.get_world_size()
        own = (self.model.meshes.data_rank, self.parts.stream.skipped)
        dist.all_gather_object(everywhere, own)
        self._skipped = {}
        for counts in dict(everywhere).values():
            for reason, count in counts.items():
                self._skipped[reason] = self._skipped.get(reason, 0) + count
        return self._skipped

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.steps

    def _save(self) -> None:
        parts = self.parts
        extra = {"config": asdict(self.config), "guard": self.guard.state()}
        parts.snapshots.save(self.step, parts.model, parts.optimizer, parts.stream.state(), extra)

    def _go_on(self, restored: Restored) -> None:
        earlier = restored.extra["config"]
        for name in ("variant", "stage"):
            if earlier[name] != getattr(self.config, name):
                raise ConfigError(
                    name, f"{self.config.out} holds another run", got=getattr(self.config, name),
                    expected=earlier[name], do="Choose another `out`.",
                )  # fmt: skip
        self.step = restored.step
        self.parts.stream.load_state(restored.stream)
        self.guard.load_state(restored.extra["guard"])

    def _stopped(self, batches: Sequence[Batch]) -> VL2Error:
        """Keep what the run stopped at; returns what to raise."""
        meshes = self.model.meshes
        out, name = Path(self.config.out), f"stopped_batch-{meshes.data_rank}"
        if meshes.tp.get_local_rank() == 0 and meshes.pp.get_local_rank() == 0:  # the others have the same
            save_batch(out, batches, name=name, told={"step": str(self.step), "reason": self.guard.reason})
        self.parts.snapshots.wait()
        return self.guard.error(self.step, f"{out / name}.safetensors")
