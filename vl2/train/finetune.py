"""Fine-tune a model on samples: an adapter, or its own weights; looked at on held-out samples, the best one kept."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from vl2.core.batch import Batch, ModelInput
from vl2.core.errors import ConfigError, VL2Error
from vl2.model import VL2
from vl2.processor import Processor
from vl2.train.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from vl2.train.examples import Examples, group
from vl2.train.finetune_config import FinetuneConfig
from vl2.train.lora import Change, adapter_of, add_adapter
from vl2.train.losses import CoordinateTokens, coordinate_tokens
from vl2.train.moved import moments_of, moved_by_adapter, moved_weights, rate_groups, set_moments
from vl2.train.objective import count_supervised, learn
from vl2.train.optim import ADAM_BETAS
from vl2.train.schedule import schedule_factor
from vl2.weights import save_model
from vl2.weights.adapter import save_adapter

MOST_BROKEN_STEPS = 5  # steps in a row whose loss is no number, before the run stops
LOOKS = 10
LEAST_RATE = 0.1  # of the learning rate, at the end of its cosine


@dataclass(frozen=True, kw_only=True)
class Look:
    """The held-out samples at one step."""

    loss: float  # a supervised token
    accuracy: float  # share of supervised tokens that are the likeliest


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One step, as it is logged and shown."""

    step: int
    num_steps: int
    loss: float
    accuracy: float
    grad_norm: float
    rate: float
    tokens_per_second: float
    look: Look | None = None


@dataclass(kw_only=True)
class Standing:
    """What a resume needs beside tensors."""

    step: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    looks_since_best: int = 0


class Finetuner:
    """One run, from its first step or from its last checkpoint."""

    def __init__(
        self, config: FinetuneConfig, model: VL2, processor: Processor, examples: Examples,
        held_out: Sequence[ModelInput],
    ) -> None:  # fmt: skip
        self.config, self.model, self.processor, self.examples = config, model, processor, examples
        self.held_out = list(group(held_out, processor.pad_id, config.max_batch_tokens))
        self.device = model.tile_newline.device
        self.coordinates = soft_numbers(processor, self.device)
        self.out = Path(config.out)
        self.num_steps = steps_of(config, len(examples.new.rows), config.batch_size - examples.num_old)
        self.eval_every = config.eval_every or max(1, self.num_steps // LOOKS)
        self.alpha = config.alpha or 2.0 * config.rank
        self.changes: dict[str, Change] = {}
        if config.rank:
            self.changes = add_adapter(model, rank=config.rank, alpha=self.alpha, parts=config.parts)
        self.moved = moved_by_adapter(self.changes) if config.rank else moved_weights(model, config.parts)
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
        self.model.train()
        while self.standing.step < self.num_steps and self.standing.looks_since_best < self.config.patience:
            progress = self._step()
            if self.standing.step % self.eval_every == 0 or self.standing.step == self.num_steps:
                look = self.look()
                self._remember(look)
                progress = replace(progress, look=look)
                self._save()
            self._log(progress)
            show(progress)
        return self.out / "best"

    @torch.no_grad()
    def look(self) -> Look:
        """Return how well held-out samples are answered, token by token of their own answers."""
        found = [learn(self.model, batch.to(self.device), self.coordinates) for batch in self.held_out]
        num_tokens = max(1, sum(one.num_tokens for one in found))
        text = sum(float(one.text) for one in found) / num_tokens
        return Look(loss=text, accuracy=sum(one.num_right for one in found) / num_tokens)

    def _step(self) -> Progress:
        began, step = time.monotonic(), self.standing.step
        batches = list(group(self.examples.batch(step), self.processor.pad_id, self.config.max_batch_tokens))
        rate = self._rate(step)
        text, num_right, num_tokens = self._backward(batches)
        norm = float(nn.utils.clip_grad_norm_([one.parameter for one in self.moved], self.config.clip))
        if math.isfinite(norm) and math.isfinite(text):
            for settings in self.optimizer.param_groups:
                settings["lr"] = rate * settings["factor"]
            self.optimizer.step()
            self.num_broken = 0
        else:
            self._note_broken(step, batches)
        self.optimizer.zero_grad()
        self.standing.step += 1
        seconds = time.monotonic() - began
        return Progress(
            step=self.standing.step, num_steps=self.num_steps, loss=text / max(1, num_tokens),
            accuracy=num_right / max(1, num_tokens), grad_norm=norm, rate=rate,
            tokens_per_second=sum(batch.input_ids.numel() for batch in batches) / seconds,
        )  # fmt: skip

    def _backward(self, batches: Sequence[Batch]) -> tuple[float, int, int]:
        """Add up the gradients of a step; returns its summed loss, right tokens and supervised tokens."""
        num_tokens = sum(count_supervised(batch) for batch in batches)
        text, num_right = 0.0, 0
        for batch in batches:
            learned = learn(self.model, batch.to(self.device), self.coordinates)
            learned.loss(max(1, num_tokens), self.config.aux_weight).backward()
            text += float(learned.text.detach())
            num_right += learned.num_right
        return text, num_right, num_tokens

    def _rate(self, step: int) -> float:
        """Return the learning rate: a warm-up, then a cosine."""
        warmup = max(1, round(self.num_steps * self.config.warmup_share))
        rising = min(1.0, (step + 1) / warmup)
        return self.config.learning_rate * rising * schedule_factor("cosine", step / self.num_steps, LEAST_RATE)

    def _note_broken(self, step: int, batches: Sequence[Batch]) -> None:
        """Leave a step out; too many in a row end the run, with what they were made of kept."""
        self.num_broken += 1
        if self.num_broken < MOST_BROKEN_STEPS:
            return
        kept = self.out / "broken_step.pt"
        torch.save({"step": step, "input_ids": [batch.input_ids for batch in batches]}, kept)
        raise VL2Error(
            "training", f"the loss was no number for {MOST_BROKEN_STEPS} steps", got=f"step {step}",
            do=f"Lower the learning rate. The last batch is in {kept.name}.",
        )

    def _remember(self, look: Look) -> None:
        """Keep what is the best so far."""
        standing = self.standing
        if look.loss < standing.best_loss:
            standing.best_loss, standing.best_step, standing.looks_since_best = look.loss, standing.step, 0
            self._keep_best()
        else:
            standing.looks_since_best += 1

    def _keep_best(self) -> None:
        fresh, best = self.out / "best.incomplete", self.out / "best"
        shutil.rmtree(fresh, ignore_errors=True)
        if self.config.rank:
            adapter = adapter_of(self.changes, rank=self.config.rank, alpha=self.alpha)
            save_adapter(adapter, fresh, base=self.config.model)
        else:
            save_model(self.model, fresh, dtype=torch.bfloat16)
            self.processor.save(fresh)
        shutil.rmtree(best, ignore_errors=True)
        fresh.rename(best)

    def _save(self) -> None:
        tensors = {f"model.{one.name}": one.parameter.detach() for one in self.moved}
        tensors |= moments_of(self.optimizer, self.moved)
        save_checkpoint(self.out / "checkpoint", tensors, {**asdict(self.standing), "config": asdict(self.config)})

    def _resume(self) -> None:
        if not has_checkpoint(self.out / "checkpoint"):
            return
        tensors, state = load_checkpoint(self.out / "checkpoint")
        earlier = state.pop("config")
        now = json.loads(json.dumps(asdict(self.config)))
        differing = [name for name in now if earlier.get(name) != now[name]]
        if differing:
            raise ConfigError(
                self.config.out, "holds a run with other settings", got=", ".join(differing),
                do="Choose another --out, or remove the folder.",
            )
        with torch.no_grad():
            for one in self.moved:
                one.parameter.copy_(tensors[f"model.{one.name}"])
        set_moments(self.optimizer, self.moved, tensors)
        self.standing = Standing(**state)

    def _log(self, progress: Progress) -> None:
        line = {**asdict(progress), "skipped": dict(self.examples.new.skipped)}
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


def soft_numbers(processor: Processor, device: torch.device) -> CoordinateTokens | None:
    """Return the tokens of numbers in boxes, None where the tokenizer has not one for each."""
    try:
        tokens = coordinate_tokens(processor.tokenizer)
    except VL2Error:
        return None
    return replace(tokens, ids=tokens.ids.to(device))


def steps_of(config: FinetuneConfig, num_samples: int, num_new: int) -> int:
    """Return the steps that show every new sample `epochs` times."""
    return max(1, math.ceil(config.epochs * num_samples / num_new))
