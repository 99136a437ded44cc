"""GRPO (DeepSeekMath, 2024): groups of answers to one question, drawn by the model as it is, and what each earns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from vl2.core.batch import Batch, ModelInput
from vl2.train.objective import score
from vl2.train.tuning.examples import grouped
from vl2.train.tuning.policy import TokenLosses, advantages, token_losses
from vl2.train.tuning.policy_config import PolicyConfig
from vl2.train.tuning.rollout import Ask, Question, Rollout, seed_of, with_answer
from vl2.train.tuning.shared_sight import batch_of, blind
from vl2.train.tuning.source import Source
from vl2.train.tuning.tuned import Tuned
from vl2.train.tuning.tuner import Learned, Look, Measures
from vl2.train.watch import SpikeLimits


@dataclass(frozen=True, kw_only=True)
class Round:
    """Answers to the questions of one round, and what is known of them while they are learned from."""

    rows: Sequence[ModelInput]  # prompt and answer
    worth: Tensor  # [rows] the advantage of each
    old: Sequence[Tensor] | None  # log-probabilities of each answer's tokens as they were drawn; None: as they are
    reference: Sequence[Tensor] | None  # the same by the model without its adapter; None where they do not count
    measures: Measures


class PolicyLesson:
    """Questions whose answers are rewarded."""

    # its loss is a surrogate that scales with the rewards: what punishes a bad answer hard is no spike
    spikes = SpikeLimits(least_rise=math.inf)

    def __init__(
        self, config: PolicyConfig, tuned: Tuned, source: Source[Question], held_out: Sequence[Question],
        rollout: Rollout, num_steps: int,
    ) -> None:  # fmt: skip
        self.config, self.tuned, self.source, self.held_out = config, tuned, source, held_out
        self.rollout, self.judges = rollout, config.judges()
        self.num_steps, self.steps_together = num_steps, config.updates
        self.round: Round | None = None

    @property
    def skipped(self) -> Mapping[str, int]:
        """Return how often samples could not be used, by reason."""
        return self.source.skipped

    def learn(self, step: int) -> Learned:
        """Add up the gradients of a step; the first of a round draws its answers."""
        number, within = divmod(step, self.config.updates)
        if within == 0 or self.round is None:
            self.round = self._play(number)
        found: list[TokenLosses] = []
        batches: list[Batch] = []
        num_tokens = sum(int((row.labels >= 0).sum()) for row in self.round.rows)
        for numbers in self._batches(self.round.rows):
            losses, batch = self._losses(self.round, numbers)
            (losses.loss.sum() / num_tokens).backward()
            found.append(losses)
            batches.append(blind(batch))
        measures = {
            "loss": float(sum(one.loss.detach().sum() for one in found)) / num_tokens,
            **self.round.measures,
            "kl": float(torch.cat([one.kl.detach() for one in found]).mean()),
            "clipped": float(torch.cat([one.is_clipped for one in found]).float().mean()),
        }
        return Learned(measures=measures, batches=tuple(batches), num_supervised=num_tokens)

    @torch.no_grad()
    def look(self) -> Look:
        """Return what the likeliest answers to held-out questions earn."""
        asked = [self._ask(question, temperature=0.0, seed=0) for question in self.held_out]
        answers = self._answers(asked)
        rewards, measures = self._judge(self.held_out, answers)
        spread = float(rewards.std()) / len(rewards) ** 0.5 if len(rewards) > 1 else 0.0
        return Look(score=measures["reward"], measures={**measures, "reward_error": spread})

    def _play(self, number: int) -> Round:
        """Draw the answers of a round and find what each is worth."""
        config = self.config
        questions = self.source.take(number * config.batch_size, config.batch_size)
        questions = [question for question in questions for _ in range(config.group)]
        asked = [
            self._ask(question, temperature=config.temperature, seed=seed_of(config.seed, number, place))
            for place, question in enumerate(questions)
        ]
        answers = self._answers(asked)
        rewards, measures = self._judge(questions, answers)
        by_group = rewards.view(-1, config.group)  # [P, G]
        rows = [with_answer(one.prompt, answer) for one, answer in zip(questions, answers, strict=True)]
        reference = None
        if config.kl_weight:
            with self.tuned.without_adapter():
                reference = self._logprobs(rows)
        return Round(
            rows=rows, worth=advantages(by_group, by_spread=config.by_spread).flatten(),
            old=self._logprobs(rows) if config.updates > 1 else None, reference=reference,
            measures={**measures, "spread": float(by_group.std(1).mean())},
        )  # fmt: skip

    def _ask(self, question: Question, *, temperature: float, seed: int) -> Ask:
        room = self.tuned.context_size - len(question.prompt.input_ids)
        most = min(self.config.max_new_tokens, room)
        return Ask(prompt=question.prompt, temperature=temperature, max_new_tokens=most, seed=seed)

    def _answers(self, asked: Sequence[Ask]) -> Sequence[tuple[int, ...]]:
        # cached: a changed weight is computed once, not for every token
        with torch.no_grad(), parametrize.cached():
            return self.rollout(self.tuned.model, self.tuned.processor.tokenizer, asked)

    def _judge(self, questions: Sequence[Question], answers: Sequence[tuple[int, ...]]) -> tuple[Tensor, Measures]:
        """Return the weighted reward of each answer [N], and the means."""
        tokenizer = self.tuned.processor.tokenizer
        texts = [tokenizer.decode(token for token in answer if token != tokenizer.eos_id) for answer in answers]
        earned: Mapping[str, Tensor] = {
            name: torch.tensor([judge(text, one.truth) for text, one in zip(texts, questions, strict=True)])
            for name, judge in self.judges.items()
        }
        total = torch.stack([self.config.rewards[name] * found for name, found in earned.items()]).sum(0)  # [N]
        means = {name: float(found.mean()) for name, found in earned.items()} if len(earned) > 1 else {}
        lengths = [len(answer) for answer in answers]
        ended = [answer[-1] == tokenizer.eos_id for answer in answers]
        return total, {
            "reward": float(total.mean()), **means, "length": sum(lengths) / len(lengths),
            "ended": sum(ended) / len(ended),
        }  # fmt: skip

    def _batches(self, rows: Sequence[ModelInput]) -> list[list[int]]:
        return list(grouped([len(row.input_ids) for row in rows], self.config.max_batch_tokens))

    @torch.no_grad()
    def _logprobs(self, rows: Sequence[ModelInput]) -> list[Tensor]:
        """Return the log-probabilities of each answer's tokens."""
        found: dict[int, Tensor] = {}
        for numbers in self._batches(rows):
            batch = batch_of(self.tuned.model, [rows[number] for number in numbers], self.tuned.processor.pad_id)
            scored = score(self.tuned.model, batch, self.config.temperature)
            counts = torch.bincount(scored.rows, minlength=len(numbers)).tolist()
            found |= dict(zip(numbers, scored.logprobs.split(counts), strict=True))
        return [found[number] for number in range(len(rows))]

    def _losses(self, played: Round, numbers: Sequence[int]) -> tuple[TokenLosses, Batch]:
        """Return the losses of the tokens of some answers [M], and their batch."""
        config = self.config
        rows = [played.rows[number] for number in numbers]
        batch = batch_of(self.tuned.model, rows, self.tuned.processor.pad_id)
        scored = score(self.tuned.model, batch, config.temperature)

        def gather(parts: Sequence[Tensor] | None) -> Tensor | None:
            return None if parts is None else torch.cat([parts[number] for number in numbers])

        old = gather(played.old)
        losses = token_losses(
            scored.logprobs, scored.logprobs.detach() if old is None else old, gather(played.reference),
            played.worth[list(numbers)].to(scored.rows.device)[scored.rows],
            ratios=(config.lowest_ratio, config.highest_ratio), kl_weight=config.kl_weight,
        )  # fmt: skip
        return losses, batch
