"""Pruning: which tokens of the local tiles stay when an image is to cost fewer. The thumbnail always stays whole.

Visual tokens say much the same in many places, so the ones that stay are chosen to be unlike each other: farthest
points, one by one (max-min diversity, as in DivPrune, arXiv 2503.02175). Only embeddings are looked at,
before the language model: no attention maps, no gradients, no random numbers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Likeness is compared in these steps: rounding noise must not decide between tokens that are alike.
STEP = 2.0**-10
MOST_TOGETHER = 4096  # tokens that are compared with each other: 20 official tiles, whose likenesses take 67 MB


def keep_distinct(tokens: Tensor, count: int) -> Tensor:
    """Return the places of `count` of the tokens [M, D], ascending: each the one least like those before it.

    The first is the one least like the mean of all; of equal ones the earlier is taken. More than MOST_TOGETHER tokens
    are taken part by part, each giving its share.
    """
    parts = tokens.split(MOST_TOGETHER)
    ends = [round(count * (min(number * MOST_TOGETHER, len(tokens)) / len(tokens))) for number in range(len(parts) + 1)]
    found = [
        _farthest(part, end - start) + number * MOST_TOGETHER
        for number, (part, start, end) in enumerate(zip(parts, ends, ends[1:], strict=False))
    ]
    return torch.cat(found)


def _farthest(tokens: Tensor, count: int) -> Tensor:
    unit = F.normalize(tokens.float(), dim=-1)  # [M, D]
    likeness = (unit @ unit.T).div_(STEP).round_()  # [M, M]
    nearest = (unit @ F.normalize(unit.mean(0), dim=0)).div_(STEP).round_()  # [M]
    chosen = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)  # [M]
    for number in range(count):
        place = nearest.argmin()
        chosen[place] = True
        nearest = torch.maximum(nearest, likeness[place]) if number else likeness[place].clone()  # [M]
        nearest[place] = torch.inf  # it is not chosen again
    return chosen.nonzero().flatten()
