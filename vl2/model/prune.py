"""Pruning: which tokens of the local tiles stay when an image is to cost fewer. The thumbnail always stays whole.

Visual tokens say much the same in many places, so the ones that stay are chosen to be unlike each other: farthest
points, one by one (max-min diversity, as in DivPrune, arXiv 2503.02175). Only embeddings are looked at,
before the language model: no attention maps, no gradients, no random numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Distances are compared in these steps: rounding noise must not decide between tokens that are alike.
STEP = 2.0**-10


def keep_distinct(tokens: Tensor, count: int) -> Tensor:
    """Return the places of `count` of the tokens [M, D], ascending: each the one least like those before it.

    The first is the one least like the mean of all; of equal ones the earlier is taken.
    """
    unit = torch.nn.functional.normalize(tokens.float(), dim=-1)  # [M, D]
    nearest = _likeness(unit, torch.nn.functional.normalize(unit.mean(0), dim=0))  # [M]
    chosen = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)  # [M]
    for number in range(count):
        place = torch.where(chosen, torch.inf, nearest).argmin()
        chosen[place] = True
        likeness = _likeness(unit, unit[place])  # [M]
        nearest = likeness if number == 0 else torch.maximum(nearest, likeness)  # [M]
    return chosen.nonzero().flatten()


def _likeness(unit: Tensor, one: Tensor) -> Tensor:
    """Return the cosine [M] of unit vectors [M, D] and one of them [D], in steps."""
    return (unit @ one / STEP).round()
