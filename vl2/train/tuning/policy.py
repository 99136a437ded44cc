"""GRPO's arithmetic: what an answer is worth beside its siblings, and what each of its tokens learns from that."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vl2.train.tuning.preference import drift

LEAST_SPREAD = 1e-4  # added to the spread of a group, which may be none


def advantages(rewards: Tensor, *, by_spread: bool) -> Tensor:
    """Return how much better than its siblings each answer is [P, G], for rewards [P, G]."""
    lead = rewards - rewards.mean(1, keepdim=True)
    return lead / (rewards.std(1, keepdim=True) + LEAST_SPREAD) if by_spread else lead


@dataclass(frozen=True, kw_only=True)
class TokenLosses:
    """What M tokens of answers contribute."""

    loss: Tensor  # [M]
    is_clipped: Tensor  # [M] bool: the token learns nothing more
    kl: Tensor  # [M], an estimate


def token_losses(
    policy: Tensor, old: Tensor, reference: Tensor | None, worth: Tensor, *, ratios: tuple[float, float],
    kl_weight: float,
) -> TokenLosses:  # fmt: skip
    """Return the losses of tokens with log-probabilities [M] now, when they were drawn, and by the reference.

    worth [M] is the advantage of the answer that a token belongs to.
    """
    ratio = (policy - old).exp()  # [M]
    plain, clipped = ratio * worth, ratio.clamp(*ratios) * worth
    kl = torch.zeros_like(policy) if reference is None else drift(policy, reference)
    return TokenLosses(loss=kl_weight * kl - torch.minimum(plain, clipped), is_clipped=clipped < plain, kl=kl)
