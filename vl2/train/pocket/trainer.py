"""Run one stage: steps of one microbatch a process, averaged over processes, logged, saved and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.data.loader import Loader, Microbatch
from vl2.data.mixture import Mixture
from vl2.model import VL2
from vl2.train.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from vl2.train.losses import CoordinateTokens
from vl2.train.pocket.config import RunConfig
from vl2.train.pocket.heads import SlotHead
from vl2.train.pocket.objective import MEANS, TALLIED, Objective, Tally
from vl2.train.pocket.optim import Optimizer
from vl2.train.pocket.soft_attention import highest, soften, watched
from vl2.train.processes import precision_of_all
from vl2.train.stages import STAGES
from vl2.train.watch import Meter, SpikeGuard, StepFigures, Watcher, peak_memory, save_batch
from vl2.train.watch.spikes import Verdict
from vl2.train.watch.work import HALVES

WATCH_EVERY = 10  # steps between two looks at the attention scores


class Trainer:
    """One process of one run."""

    def __init__(
        self, config: RunConfig, model: VL2, loader: Loader, mixture: Mixture, tokens: CoordinateTokens
    ) -> None:
        self.config, self.model, self.loader, self.mixture = config, model, loader, mixture
        self.stage = STAGES[config.stage]
        self.rank, self.world_size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        width = model.config.language_config.hidden_size
        dtype = getattr(torch, precision_of_all(config.precision, torch.device("cpu")))
        self.slot_head = SlotHead(width, len(loader.classes)).to(dtype)
        self.model.to(dtype)
        self.optimizer = Optimizer(self._trained(), config.muon_lr, config.adam_lr, config.weight_decay, dtype)
        self.objective = Objective(config, model, self.slot_head, tokens)
        self.out = Path(config.out)
        self.step = 0
        self.guard = SpikeGuard()

    def run(self) -> None:
        """Train to the end of the stage, from the run's last checkpoint when there is one."""
        self._resume()
        start = self.config.first_sample + self.loader.taken * self.world_size
        samples = self.mixture.samples(start, self.rank, self.world_size)
        steps = self.loader.steps(samples, self.config.batch_size // self.world_size)
        with self._watcher() as watch:
            while self.step < self.config.num_steps:
                began = time.monotonic()
                microbatch = next(steps)
                waited_s = time.monotonic() - began
                sums, verdict = self._train_step(microbatch)
                watch(self._figures(sums, time.monotonic() - began, waited_s))
                if verdict == "stop":
                    raise self._stopped(microbatch)
                if self.step % self.config.save_every == 0 or self.step == self.config.num_steps:
                    self._save()

    def _train_step(self, microbatch: Microbatch) -> tuple[Tally, Verdict]:
        tally: Tally = dict.fromkeys(TALLIED, 0.0)  # all names in every process, whatever its samples are
        backends, watch = watched(self.model) if self.step % WATCH_EVERY == 0 else (self.model.backends, None)
        self.objective(microbatch, tally, backends).backward()
        flat = torch.cat((self.optimizer.gradients(), torch.tensor(list(tally.values()))))
        if self.world_size > 1:
            dist.all_reduce(flat)
        gradients = flat[: -len(tally)]
        record = dict(zip(tally, flat[-len(tally) :].tolist(), strict=True))
        gradients /= record["weight"]
        norm = float(gradients.norm())
        verdict = self.guard.judge(self._told_loss(record), norm)
        softened = 0
        if verdict == "apply":
            gradients *= min(1.0, self.config.clip / (norm + 1e-6))
            softened = soften(self.optimizer.master, highest(watch.peaks)) if watch is not None else 0
            self.optimizer.step(gradients, self._lr_scale())
        self.step += 1
        return record | {"grad_norm": norm, "softened": softened}, verdict

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        """Return the parameters that this stage moves; the others take no gradient."""
        trained = {}
        for name, parameter in self.model.named_parameters():
            moves = name.startswith(self.stage.trains) and parameter.requires_grad
            parameter.requires_grad_(moves)
            if moves:
                trained[name] = parameter
        if self.stage.sees_images and self.config.slot_weight:
            trained |= {f"slot_head.{name}": p for name, p in self.slot_head.named_parameters()}
        return trained

    def _lr_scale(self) -> float:
        """Return the warm-up and linear decay factor."""
        warmup = min(1.0, (self.step + 1) / max(1, self.config.warmup_steps))
        decay = (1 - self.step / self.config.num_steps) / max(1e-9, 1 - self.config.decay_from)
        return warmup * max(0.02, min(1.0, decay))

    def _watcher(self) -> AbstractContextManager[Callable[[StepFigures], None]]:
        if self.rank:
            return nullcontext(lambda figures: None)
        moving = [half for half in HALVES if half in self.stage.trains]
        return Watcher(
            self.out, num_steps=self.config.num_steps, first_step=self.step, log_every=self.config.log_every,
            meter=Meter(config=self.model.config, weights=moving), config=asdict(self.config),
        )  # fmt: skip

    def _told_loss(self, sums: Tally) -> float:
        """Return the loss of what the stage supervises, a mean."""
        names = ("slots",) if self.stage.supervises == "slots" else ("text", "coordinates")
        return sum(sums[name] for name in names) / sums["weight"]

    def _stopped(self, microbatch: Microbatch) -> VL2Error:
        """Keep what this process stopped at; returns what to raise."""
        told = {"step": str(self.step), "reason": self.guard.reason}
        kept = save_batch(self.out, microbatch.batch, name=f"stopped_batch-{self.rank}", told=told).name
        return self.guard.error(self.step, kept)

    def _figures(self, sums: Tally, seconds: float, waited_s: float) -> StepFigures:
        """Return what a step of these sums tells."""
        weight, tokens, scale = sums["weight"], sums["tokens"], self._lr_scale()
        means = {name: sums[name] / weight for name in MEANS}
        return StepFigures(
            step=self.step, loss=self._told_loss(sums), left_out=self.guard.reason,
            balance_loss=sums["balance"] / weight, grad_norm=sums["grad_norm"], supervised_tokens=weight,
            tokens=tokens, tiles=sums["tiles"], keys=sums["keys"] / tokens if tokens else 0.0, seconds=seconds,
            data_wait_s=waited_s, memory_bytes=peak_memory(), samples=self.step * self.config.batch_size,
            learning_rates={"matrices": self.config.muon_lr * scale, "others": self.config.adam_lr * scale},
            skipped=self.loader.skipped, others={**means, "softened": sums["softened"]},
        )  # fmt: skip

    def _save(self) -> None:
        taken = torch.zeros(self.world_size, dtype=torch.int64)
        taken[self.rank] = self.loader.taken
        if self.world_size > 1:
            dist.all_reduce(taken)
        if self.rank:
            return
        tensors = {f"model.{name}": p.detach().float() for name, p in self.model.named_parameters()}
        tensors |= {f"slot_head.{name}": p.detach().float() for name, p in self.slot_head.named_parameters()}
        for name, master in self.optimizer.master.items():
            tensors[name if name.startswith("slot_head.") else f"model.{name}"] = master.clone()
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self.optimizer.state().items()}
        state = {"step": self.step, "taken": taken.tolist(), "spikes": self.guard.state()}
        save_checkpoint(self.out / "checkpoint", tensors, {**state, "config": asdict(self.config)})

    def _resume(self) -> None:
        folder = self.out / "checkpoint"
        if not has_checkpoint(folder):
            return
        tensors, state = load_checkpoint(folder)
        load_modules(self.model, tensors, prefixes=("",))
        load_slot_head(self.slot_head, tensors)
        optimizer = {key.removeprefix("optimizer."): t for key, t in tensors.items() if key.startswith("optimizer.")}
        self.optimizer.load_state(optimizer, state["step"])
        self.step = state["step"]
        self.guard.load_state(state["spikes"])
        self.loader.taken = _share_taken(state["taken"], self.rank, self.world_size)


@torch.no_grad()
def load_modules(model: VL2, tensors: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> None:
    """Copy the checkpoint's parameters whose names begin with one of `prefixes`."""
    for name, parameter in model.named_parameters():
        if name.startswith(prefixes):
            parameter.copy_(tensors[f"model.{name}"])


@torch.no_grad()
def load_slot_head(head: SlotHead, tensors: Mapping[str, Tensor]) -> None:
    """Copy the slot head's parameters."""
    for name, parameter in head.named_parameters():
        parameter.copy_(tensors[f"slot_head.{name}"])


def _share_taken(taken: Sequence[int], rank: int, world_size: int) -> int:
    """Return how many samples of its own this process has behind it.

    Another number of processes than before go on behind the one that went furthest, so that no sample comes twice.
    """
    if len(taken) == world_size:
        return taken[rank]
    return -(-max(taken) * len(taken) // world_size)
