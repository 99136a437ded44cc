"""Rollouts: questions that the model in training answers, as whoever runs the training lets it answer.

An engine is a sibling of training, so that it comes as a function (vl2/cli/rollouts.py makes it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from vl2.core.batch import IGNORE_INDEX, ModelInput
from vl2.core.sample import Message, Sample
from vl2.data.faults import Fault
from vl2.model import VL2
from vl2.processor import Processor
from vl2.processor.tokenizer import Tokenizer
from vl2.train.tuning.examples import RowsOfSamples
from vl2.train.tuning.rewards import Truth, truth_of


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A prompt, and how its answer is drawn."""

    prompt: ModelInput
    temperature: float  # 0 takes the likeliest token
    max_new_tokens: int
    seed: int


# Answers a batch, each with its tokens, the end of sequence among them where the answer ended by itself.
Rollout = Callable[[VL2, Tokenizer, Sequence[Ask]], Sequence[tuple[int, ...]]]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A prompt with what its answer is held against."""

    prompt: ModelInput
    truth: Truth


@dataclass(frozen=True, kw_only=True)
class QuestionReader:
    """Samples as questions: the last answer is taken away, and known to the rewards only."""

    samples: RowsOfSamples
    processor: Processor
    max_tokens: int  # of a prompt

    def __call__(self, row: int, place: int | None) -> Question | Fault:
        """Return a question, or why not. Raises VL2Error."""
        sample = self.samples[row]
        if isinstance(sample, Fault):
            return sample
        prompt = self.processor(_asked(sample), trusted=False, keep_marks=True, mask_prompt=True)
        if len(prompt.input_ids) > self.max_tokens:
            return Fault(f"a prompt longer than {self.max_tokens} tokens")
        return Question(prompt=prompt, truth=truth_of(sample))


def _asked(sample: Sample) -> Sample:
    return replace(sample, messages=(*sample.messages[:-1], Message("assistant", ())))


def with_answer(prompt: ModelInput, token_ids: Sequence[int]) -> ModelInput:
    """Return a prompt with an answer, whose tokens alone are supervised."""
    answer = torch.tensor(token_ids, dtype=torch.long)
    return replace(
        prompt,
        input_ids=torch.cat((prompt.input_ids, answer)),
        labels=torch.cat((torch.full_like(prompt.labels, IGNORE_INDEX), answer)),
        image_mask=torch.cat((prompt.image_mask, torch.zeros_like(answer, dtype=torch.bool))),
    )


def seed_of(*parts: int) -> int:
    """Return the seed of one answer: the same whenever a run asks for it again."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
