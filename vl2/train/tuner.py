"""Tuner: the steps of a tuning, its looks at what it does not learn from, the best kept, and going on after a stop."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vl2.core.errors import ConfigError, VL2Error
from vl2.train.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from vl2.train.lora import adapter_of
from vl2.train.moved import moments_of, rate_groups, set_moments
from vl2.train.optim import ADAM_BETAS
from vl2.train.schedule import schedule_factor
from vl2.train.tune_config import TuneConfig
from vl2.train.tuned import CHECKPOINT, Tuned
from vl2.weights import save_model
from vl2.weights.adapter import save_adapter

MOST_BROKEN_STEPS = 5  # steps in a row whose loss is no number, before the run stops
LOOKS = 10
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

    measures: Measures  # `loss` is one of them: a step is left out when it is no number
    input_ids: tuple[Tensor, ...]  # [B, T] each, kept when steps go wrong

    @property
    def num_tokens(self) -> int:
        """Return the tokens of all batches, padding included."""
        return sum(ids.numel() for ids in self.input_ids)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One step, as it is logged and shown."""

    step: int
    num_steps: int
    grad_norm: float
    rate: float
    tokens_per_second: float
    measures: Measures
    look: Look | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the line of the log."""
        own = {name: value for name, value in asdict(self).items() if name not in ("measures", "look")}
        return {**own, **self.measures, "look": self.look and self.look.measures}


class Lesson(Protocol):
    """What is learned from, and how."""

    num_steps: int
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


class Tuner:
    """One run, from its first step or from its last checkpoint."""

    def __init__(self, config: TuneConfig, tuned: Tuned, lesson: Lesson) -> None:
        self.config, self.tuned, self.lesson, self.moved = config, tuned, lesson, tuned.moved
        self.out = Path(config.out)
        self.num_steps = lesson.num_steps
        every = config.eval_every or max(1, self.num_steps // LOOKS)
        self.eval_every = every + -every % lesson.steps_together
        groups = rate_groups(self.moved, config.part_rates)
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, betas=ADAM_BETAS, weight_decay=config.weight_decay
        )  # fmt: skip
        self.standing = Standing()
        self.num_broken = 0

    def run(self, show: Callable[[Progress], None] = lambda progress: None) -> Path:
        """Train to the end or until looking stops helping. Returns the folder of the best adapter or model."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._resume()
        self.tuned.model.train()
        while self.standing.step < self.num_steps and self.standing.looks_since_best < self.config.patience:
            progress = self._step()
            if self.standing.step % self.eval_every == 0 or self.standing.step == self.num_steps:
                look = self.lesson.look()
                self._remember(look)
                progress = replace(progress, look=look)
                self._save()
            self._log(progress)
            show(progress)
        return self.out / "best"

    def _step(self) -> Progress:
        began, step = time.monotonic(), self.standing.step
        rate = self._rate(step)
        learned = self.lesson.learn(step)
        norm = float(nn.utils.clip_grad_norm_([one.parameter for one in self.moved], self.config.clip))
        if math.isfinite(norm) and math.isfinite(learned.measures["loss"]):
            for settings in self.optimizer.param_groups:
                settings["lr"] = rate * settings["factor"]
            self.optimizer.step()
            self.num_broken = 0
        else:
            self._note_broken(step, learned)
        self.optimizer.zero_grad()
        self.standing.step += 1
        return Progress(
            step=self.standing.step, num_steps=self.num_steps, grad_norm=norm, rate=rate,
            tokens_per_second=learned.num_tokens / (time.monotonic() - began), measures=learned.measures,
        )  # fmt: skip

    def _rate(self, step: int) -> float:
        """Return the learning rate: a warm-up, then a cosine."""
        warmup = max(1, round(self.num_steps * self.config.warmup_share))
        rising = min(1.0, (step + 1) / warmup)
        return self.config.learning_rate * rising * schedule_factor("cosine", step / self.num_steps, LEAST_RATE)

    def _note_broken(self, step: int, learned: Learned) -> None:
        """Leave a step out; too many in a row end the run, with what they were made of kept."""
        self.num_broken += 1
        if self.num_broken < MOST_BROKEN_STEPS:
            return
        kept = self.out / "broken_step.pt"
        torch.save({"step": step, "input_ids": list(learned.input_ids)}, kept)
        raise VL2Error(
            "training",
            f"the loss was no number for {MOST_BROKEN_STEPS} steps",
            got=f"step {step}",
            do=f"Lower the learning rate. The last batch is in {kept.name}.",
        )

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
        save_checkpoint(self.out / CHECKPOINT, tensors, {**asdict(self.standing), "config": asdict(self.config)})

    def _resume(self) -> None:
        if not has_checkpoint(self.out / CHECKPOINT):
            return
        tensors, state = load_checkpoint(self.out / CHECKPOINT)
        earlier = state.pop("config")
        now = json.loads(json.dumps(asdict(self.config)))
        differing = [name for name in now if earlier.get(name) != now[name]]
        if differing:
            raise ConfigError(
                self.config.out,
                "holds a run with other settings",
                got=", ".join(differing),
                do="Choose another --out, or remove the folder.",
            )
        with torch.no_grad():
            for one in self.moved:
                one.parameter.copy_(tensors[f"model.{one.name}"])
        set_moments(self.optimizer, self.moved, tensors)
        self.standing = Standing(**state)

    def _log(self, progress: Progress) -> None:
        line = {**progress.as_dict(), "skipped": dict(self.lesson.skipped)}
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


def steps_of(config: TuneConfig, num_samples: int, num_new: int) -> int:
    """Return the steps that show every new sample `epochs` times."""
    return max(1, math.ceil(config.epochs * num_samples / num_new))
