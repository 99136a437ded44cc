"""Numbers as waves: near numbers look alike, so that a place seen in a picture becomes a number by copying."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NUM_WAVES = 16
WAVE_SIZE = 2 * NUM_WAVES


def waves(values: Tensor) -> Tensor:
    """Return [.., 32] for values [..] in 0..1: cosines and sines of 1..16 half turns, slow ones louder."""
    turns = torch.arange(1, NUM_WAVES + 1, device=values.device)
    phase = values[..., None] * math.pi * turns
    return torch.cat((phase.cos(), phase.sin()), dim=-1) / turns.repeat(2).sqrt()
