"""Tuner: the steps of a tuning, its looks at what it does not learn from, the best kept, and going on after a stop."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from vl2.core.batch import PADDING, Batch
from vl2.core.errors import ConfigError, VL2Error
from vl2.train.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from vl2.train.expert_bias import Balance
from vl2.train.paper import ADAM_BETAS
from vl2.train.schedule import schedule_factor
from vl2.train.tuning.lora import adapter_of
from vl2.train.tuning.moved import moments_of, rate_groups, set_moments
from vl2.train.tuning.tune_config import TuneConfig
from vl2.train.tuning.tuned import CHECKPOINT, Tuned
from vl2.train.watch import Meter, SpikeGuard, SpikeLimits, StepFigures, Watcher, attended_keys, peak_memory, save_batch
from vl2.weights import save_model
from vl2.weights.adapter import save_adapter

LOOKS, LINES = 10, 200  # of a run, in its log
CHANGEABLE = {"wandb_project"}  # settings that a resumed run may have others of
LEAST_RATE = 0.1  # of the learning rate, at the end of its cosine

Measures = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the model does with what it does not learn from, at one step."""

    score: float  # the best is the one with the highest
    measures: Measures


@dataclass(frozen=True, kw_only=True)
class Learned:
    """One step's gradients were added up; this is what they came from."""

    measures: Measures  # `loss` is one of them: a step is left out when it is no number, or a spike
    batches: tuple[Batch, ...]  # kept when steps go wrong
    num_supervised: int
    balance_loss: float = 0.0
    balance: Balance | None = None
    data_wait_s: float = 0.0

    @property
    def num_tokens(self) -> int:
        """Return the tokens of all batches, without padding."""
        return sum(int((batch.documents != PADDING).sum()) for batch in self.batches)


class Lesson(Protocol):
    """What is learned from, and how."""

    num_steps: int
    spikes: SpikeLimits  # what of its losses is one
    steps_together: int  # steps of one round: a run stops and goes on between rounds only

    @property
    def skipped(self) -> Mapping[str, int]:
        """Return how often samples could not be used, by reason."""
        ...

    def learn(self, step: int) -> Learned:
        """Add up the gradients of a step."""
        ...

    def look(self) -> Look:
        """Judge the model on what it does not learn from."""
        ...


@dataclass(kw_only=True)
class Standing:
    """What a resume needs beside tensors."""

    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    looks_since_best: int = 0
    spikes: dict[str, Any] = field(default_factory=dict)  # the state of the guard against them


class Tuner:
    """One run, from its first step or from its last checkpoint."""

    def __init__(self, config: TuneConfig, tuned: Tuned, lesson: Lesson, meter: Meter | None = None) -> None:
        self.config, self.tuned, self.lesson, self.moved = config, tuned, lesson, tuned.moved
        self.meter = meter  # of lessons whose batches are all that a step computes
        self.out = Path(config.out)
        self.num_steps = lesson.num_steps
        every = config.eval_every or max(1, self.num_steps // LOOKS)
        self.eval_every = every + -every % lesson.steps_together
        groups = rate_groups(self.moved, config.part_rates)
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, betas=ADAM_BETAS, weight_decay=config.weight_decay
        )  # fmt: skip
        self.standing = Standing()
        self.guard = SpikeGuard(lesson.spikes)

    def run(self, follow: Callable[[StepFigures], None] = lambda figures: None, *, is_shown: bool = False) -> Path:
        """Train to the end or until looking stops helping. Returns the folder of the best adapter or model."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._resume()
        self.tuned.model.train()
        with self._watcher(is_shown=is_shown) as watch:
            while self.standing.step < self.num_steps and self.standing.looks_since_best < self.config.patience:
                figures = self._step(watch)
                is_due = figures.step % self.eval_every == 0 or figures.step == self.num_steps
                if is_due:
                    look = self.lesson.look()
                    self._remember(look)
                    figures = _with_look(figures, look)
                watch(figures)
                if is_due:
                    self._save()
                follow(figures)
        return self.out / "best"

    def _step(self, watch: Watcher) -> StepFigures:
        began, rate = time.monotonic(), self._rate(self.standing.step)
        learned = self.lesson.learn(self.standing.step)
        norm = float(nn.utils.clip_grad_norm_([one.parameter for one in self.moved], self.config.clip))
        verdict = self.guard.judge(learned.measures["loss"], norm)
        if verdict == "apply":
            for settings in self.optimizer.param_groups:
                settings["lr"] = rate * settings["factor"]
            self.optimizer.step()
        self.optimizer.zero_grad()
        self.standing.step += 1
        figures = self._figures(learned, norm, rate, time.monotonic() - began)
        if verdict == "stop":
            watch(figures)
            raise self._stopped(learned)
        return figures

    def _watcher(self, *, is_shown: bool) -> Watcher:
        return Watcher(
            self.out, num_steps=self.num_steps, first_step=self.standing.step, meter=self.meter,
            log_every=max(1, self.num_steps // LINES), config=asdict(self.config),
            wandb_project=self.config.wandb_project, is_shown=is_shown,
        )  # fmt: skip

    def _figures(self, learned: Learned, norm: float, rate: float, seconds: float) -> StepFigures:
        """Return what a step tells those who watch."""
        batches, balance, factors = learned.batches, learned.balance, self.config.part_rates
        others = dict(learned.measures)
        tokens = learned.num_tokens
        return StepFigures(
            step=self.standing.step, loss=others.pop("loss"), grad_norm=norm, tokens=tokens,
            supervised_tokens=learned.num_supervised, seconds=seconds, data_wait_s=learned.data_wait_s,
            tiles=sum(len(batch.tiles) for batch in batches if batch.tiles is not None),
            keys=attended_keys(*batches), memory_bytes=peak_memory(self.tuned.device),
            learning_rates={one.part: rate * factors.get(one.part, 1.0) for one in self.moved},
            expert_load=torch.stack(list(balance.expert_load.values())) if balance else None,
            max_violation=balance.max_violation if balance else None, balance_loss=learned.balance_loss,
            skipped=self.lesson.skipped, left_out=self.guard.reason, others=others,
        )  # fmt: skip

    def _rate(self, step: int) -> float:
        """Return the learning rate: a warm-up, then a cosine."""
        warmup = max(1, round(self.num_steps * self.config.warmup_share))
        rising = min(1.0, (step + 1) / warmup)
        return self.config.learning_rate * rising * schedule_factor("cosine", step / self.num_steps, LEAST_RATE)

    def _stopped(self, learned: Learned) -> VL2Error:
        """Keep what the run stopped at; returns what to raise."""
        step = self.standing.step
        told = {"step": str(step), "reason": self.guard.reason}
        kept = save_batch(self.out, learned.batches, told=told).name
        return self.guard.error(step, kept)

    def _remember(self, look: Look) -> None:
        """Keep what is the best so far."""
        standing = self.standing
        if look.score > standing.best_score:
            standing.best_score, standing.best_step, standing.looks_since_best = look.score, standing.step, 0
            self._keep_best()
        else:
            standing.looks_since_best += 1

    def _keep_best(self) -> None:
        fresh, best = self.out / "best.incomplete", self.out / "best"
        shutil.rmtree(fresh, ignore_errors=True)
        if self.config.rank:
            adapter = adapter_of(self.tuned.changes, rank=self.config.rank, alpha=self.config.adapter_alpha)
            save_adapter(adapter, fresh, base=self.config.model)
        else:
            save_model(self.tuned.model, fresh, dtype=torch.bfloat16)
            self.tuned.processor.save(fresh)
        shutil.rmtree(best, ignore_errors=True)
        fresh.rename(best)

    def _save(self) -> None:
        tensors = {f"model.{one.name}": one.parameter.detach() for one in self.moved}
        tensors |= moments_of(self.optimizer, self.moved)
        self.standing.spikes = self.guard.state()
        save_checkpoint(self.out / CHECKPOINT, tensors, {**asdict(self.standing), "config": asdict(self.config)})

    def _resume(self) -> None:
        if not has_checkpoint(self.out / CHECKPOINT):
            return
        tensors, state = load_checkpoint(self.out / CHECKPOINT)
        earlier = state.pop("config")
        now = json.loads(json.dumps(asdict(self.config)))
        differing = [name for name in now.keys() - CHANGEABLE if earlier.get(name) != now[name]]
        if differing:
            raise ConfigError(
                self.config.out,
                "holds a run with other settings",
                got=", ".join(sorted(differing)),
                do="Choose another --out, or remove the folder.",
            )
        with torch.no_grad():
            for one in self.moved:
                one.parameter.copy_(tensors[f"model.{one.name}"])
        set_moments(self.optimizer, self.moved, tensors)
        self.standing = Standing(**state)
        if self.standing.spikes:  # a run of an earlier version kept none
            self.guard.load_state(self.standing.spikes)


def _with_look(figures: StepFigures, look: Look) -> StepFigures:
    held_out = dict(look.measures)
    return replace(figures, eval_loss=held_out.pop("loss", None), held_out=held_out)


def steps_of(config: TuneConfig, num_samples: int, num_new: int) -> int:
    """Return the steps that show every new sample `epochs` times."""
    return max(1, math.ceil(config.epochs * num_samples / num_new))
