"""Heads that only training has: they read each visual embedding for what stands in its patch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from vl2.data.slots import NUM_CHARACTERS, NUM_EDGES, NUM_SLOTS
from vl2.train.pocket.waves import WAVE_SIZE


@dataclass(frozen=True)
class SlotPrediction:
    """Logits for N tiles of Q*Q embeddings."""

    characters: Tensor  # [N, Q*Q, 6, 96]
    figures: Tensor  # [N, Q*Q, classes]
    edges: Tensor  # [N, Q*Q, 4, 32], the waves of each edge


class SlotHead(nn.Module):
    """One linear layer for each kind of target."""

    def __init__(self, width: int, num_figures: int) -> None:
        super().__init__()
        self.head_characters = nn.Linear(width, NUM_SLOTS * NUM_CHARACTERS)
        self.head_figures = nn.Linear(width, num_figures)
        self.head_edges = nn.Linear(width, NUM_EDGES * WAVE_SIZE)

    def forward(self, embeds: Tensor) -> SlotPrediction:
        """Predict from adaptor outputs [N, Q*Q, D]."""
        characters = self.head_characters(embeds).unflatten(-1, (NUM_SLOTS, NUM_CHARACTERS))
        edges = self.head_edges(embeds).unflatten(-1, (NUM_EDGES, WAVE_SIZE))
        return SlotPrediction(characters.float(), self.head_figures(embeds).float(), edges.float())
