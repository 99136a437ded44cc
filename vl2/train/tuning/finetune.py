"""Fine-tuning: learn the answers of samples, token by token."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from vl2.core.batch import PADDING, ModelInput
from vl2.core.errors import VL2Error
from vl2.processor import Processor
from vl2.train.expert_bias import ExpertBalance
from vl2.train.losses import CoordinateTokens, coordinate_tokens
from vl2.train.objective import count_supervised, learn
from vl2.train.tuning.examples import Examples, group
from vl2.train.tuning.finetune_config import FinetuneConfig
from vl2.train.tuning.tuned import Tuned
from vl2.train.tuning.tuner import Learned, Look
from vl2.train.watch import SpikeLimits


class AnswerLesson:
    """The answers of samples, new and old ones."""

    spikes = SpikeLimits()
    steps_together = 1

    def __init__(
        self, config: FinetuneConfig, tuned: Tuned, examples: Examples, held_out: Sequence[ModelInput], num_steps: int
    ) -> None:
        self.config, self.tuned, self.examples, self.num_steps = config, tuned, examples, num_steps
        self.held_out = list(group(held_out, tuned.processor.pad_id, config.max_batch_tokens))
        self.coordinates = soft_numbers(tuned.processor, tuned.device)

    @property
    def skipped(self) -> Mapping[str, int]:
        """Return how often new samples could not be used, by reason."""
        return self.examples.new.skipped

    def learn(self, step: int) -> Learned:
        """Add up the gradients of a step."""
        began = time.monotonic()
        batches = list(group(self.examples.batch(step), self.tuned.processor.pad_id, self.config.max_batch_tokens))
        waited_s = time.monotonic() - began
        num_tokens = sum(count_supervised(batch) for batch in batches)
        text, balance_loss, num_right, counts = 0.0, 0.0, 0, ExpertBalance()
        for number, batch in enumerate(batches):
            batch = batch.to(self.tuned.device)
            learned = learn(self.tuned.model, batch, self.coordinates)
            learned.loss(max(1, num_tokens), self.config.aux_weight).backward()
            counts.collect(learned.routing, microbatch=number, counts=batch.documents != PADDING)
            text += float(learned.text.detach())
            balance_loss += float(learned.balance.detach()) * learned.num_tokens
            num_right += learned.num_right
        measures = {"loss": text / max(1, num_tokens), "accuracy": num_right / max(1, num_tokens)}
        return Learned(
            measures=measures, batches=tuple(batches), num_supervised=num_tokens, data_wait_s=waited_s,
            balance_loss=balance_loss / max(1, num_tokens), balance=counts.update(self.tuned.model, None),
        )  # fmt: skip

    @torch.no_grad()
    def look(self) -> Look:
        """Return how well held-out samples are answered, token by token of their own answers."""
        found = [learn(self.tuned.model, batch.to(self.tuned.device), self.coordinates) for batch in self.held_out]
        num_tokens = max(1, sum(one.num_tokens for one in found))
        loss = sum(float(one.text) for one in found) / num_tokens
        accuracy = sum(one.num_right for one in found) / num_tokens
        return Look(score=-loss, measures={"loss": loss, "accuracy": accuracy})


def soft_numbers(processor: Processor, device: torch.device) -> CoordinateTokens | None:
    """Return the tokens of numbers in boxes, None where the tokenizer has not one for each."""
    try:
        tokens = coordinate_tokens(processor.tokenizer)
    except VL2Error:
        return None
    return replace(tokens, ids=tokens.ids.to(device))
