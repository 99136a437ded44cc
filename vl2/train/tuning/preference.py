"""DPO: learn from pairs of answers which one is preferred (Rafailov et al., 2023, equation 7).

The reference is the model without its adapter: it costs a forward pass, and no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vl2.core.batch import Batch
from vl2.train.objective import Scored, score
from vl2.train.tuning.examples import grouped
from vl2.train.tuning.pairs import Pair
from vl2.train.tuning.preference_config import PreferenceConfig
from vl2.train.tuning.shared_sight import batch_of, blind
from vl2.train.tuning.source import Source
from vl2.train.tuning.tuned import Tuned
from vl2.train.tuning.tuner import Learned, Look, Measures
from vl2.train.watch import SpikeLimits


@dataclass(frozen=True, kw_only=True)
class Endings:
    """The log-probabilities of N chosen and N rejected answers, divided by their lengths where that is asked."""

    chosen: Tensor  # [N]
    rejected: Tensor  # [N]


def margins(policy: Endings, reference: Endings, beta: float) -> Tensor:
    """Return how much more than the reference the policy prefers the chosen answers [N]."""
    return beta * ((policy.chosen - reference.chosen) - (policy.rejected - reference.rejected))


def preference_loss(policy: Endings, reference: Endings, beta: float) -> Tensor:
    """Return the summed loss of N pairs."""
    return -F.logsigmoid(margins(policy, reference, beta)).sum()


def drift(policy: Tensor, reference: Tensor) -> Tensor:
    """Return how far tokens [M] went from the reference: at least 0, and in the mean over a policy's own tokens its KL.

    http://joschu.net/blog/kl-approx.html, the third estimator: unbiased, and of low variance.
    """
    lead = reference - policy  # [M]
    return lead.exp() - lead - 1


class PreferenceLesson:
    """Pairs of answers."""

    spikes = SpikeLimits()
    steps_together = 1

    def __init__(
        self, config: PreferenceConfig, tuned: Tuned, source: Source[Pair], held_out: Sequence[Pair], num_steps: int
    ) -> None:
        self.config, self.tuned, self.source, self.held_out = config, tuned, source, held_out
        self.num_steps = num_steps

    @property
    def skipped(self) -> Mapping[str, int]:
        """Return how often pairs could not be used, by reason."""
        return self.source.skipped

    def learn(self, step: int) -> Learned:
        """Add up the gradients of a step."""
        pairs = self.source.take(step * self.config.batch_size, self.config.batch_size)
        judged = []
        for one in self._judge(pairs):
            one.loss.backward()
            judged.append(one)
        return Learned(
            measures=_measures(judged), batches=tuple(one.batch for one in judged),
            num_supervised=sum(int((one.batch.labels >= 0).sum()) for one in judged if one.batch.labels is not None),
        )  # fmt: skip

    @torch.no_grad()
    def look(self) -> Look:
        """Return how the held-out pairs are judged."""
        measures = _measures(list(self._judge(self.held_out)))
        return Look(score=-measures["loss"], measures=measures)

    def _judge(self, pairs: Sequence[Pair]) -> Iterator[_Judged]:
        """Yield some pairs after the other, both endings of a pair in one batch."""
        num_tokens = sum(_num_answer_tokens(pair) for pair in pairs)
        lengths = [2 * max(len(pair.chosen.input_ids), len(pair.rejected.input_ids)) for pair in pairs]
        for numbers in grouped(lengths, self.config.max_batch_tokens):
            yield self._judge_batch([pairs[number] for number in numbers], len(pairs), num_tokens)

    def _judge_batch(self, pairs: Sequence[Pair], num_pairs: int, num_tokens: int) -> _Judged:
        config, model, pad_id = self.config, self.tuned.model, self.tuned.processor.pad_id
        rows = [ending for pair in pairs for ending in (pair.chosen, pair.rejected)]
        with torch.no_grad(), self.tuned.without_adapter():
            reference = score(model, batch_of(model, rows, pad_id))
        batch = batch_of(model, rows, pad_id)
        policy = score(model, batch)
        ours, theirs = (self._endings(scored, len(rows)) for scored in (policy, reference))
        loss = preference_loss(ours, theirs, config.beta) / num_pairs
        is_chosen = policy.rows % 2 == 0  # [M]
        if config.sft_weight:
            loss = loss - config.sft_weight * policy.logprobs[is_chosen].sum() / num_tokens
        return _Judged(
            loss=loss, margins=margins(ours, theirs, config.beta).detach(), batch=blind(batch),
            leads=(ours.chosen - ours.rejected).detach(),
            rewards=(config.beta * (ours.chosen - theirs.chosen)).detach(),
            drift=drift(policy.logprobs, reference.logprobs).detach()[is_chosen],
        )  # fmt: skip

    def _endings(self, scored: Scored, num_rows: int) -> Endings:
        sums = scored.by_row(num_rows)  # [2N]
        if self.config.per_token:
            sums = sums / torch.bincount(scored.rows, minlength=num_rows)
        return Endings(chosen=sums[::2], rejected=sums[1::2])


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Some pairs."""

    loss: Tensor  # [], their part of the step's
    margins: Tensor  # [N]
    leads: Tensor  # [N] of the chosen answer over the rejected one, by the policy alone
    rewards: Tensor  # [N] of the chosen answers: the policy's log-probability over the reference's, times beta
    drift: Tensor  # [K] of the tokens of chosen answers; what is pushed away counts for nothing here
    batch: Batch


def _num_answer_tokens(pair: Pair) -> int:
    return int((pair.chosen.labels >= 0).sum())


def _measures(judged: Sequence[_Judged]) -> Measures:
    margin, lead = torch.cat([one.margins for one in judged]), torch.cat([one.leads for one in judged])
    chosen = torch.cat([one.rewards for one in judged])
    return {
        "loss": float(sum(one.loss.detach() for one in judged)),
        "accuracy": float((margin > 0).float().mean()),  # more than the reference
        "prefers": float((lead > 0).float().mean()),  # by itself
        "margin": float(margin.mean()),
        "chosen": float(chosen.mean()),
        "rejected": float((chosen - margin).mean()),
        "drift": float(torch.cat([one.drift for one in judged]).mean()),
    }
