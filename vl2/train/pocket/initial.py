"""First weights for a model that starts from nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vl2.model import VL2
from vl2.train.pocket.waves import WAVE_SIZE, waves

EMBEDDING_STD, HEAD_STD = 0.3, 0.04
ENDS_OF_RESIDUALS = ("output", "down", "head")  # zero at first: every layer begins as the identity


@torch.no_grad()
def initialise(model: VL2, number_ids: Tensor) -> None:
    """Draw all weights; `number_ids` [1000] are the tokens of 0..999, whose embeddings begin as neighbours."""
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.0 if last in ENDS_OF_RESIDUALS else module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.normal_(model.adaptor.output.weight, std=EMBEDDING_STD * model.adaptor.output.in_features**-0.5)
    for name, parameter in model.named_parameters():
        if "routed_experts" in name:
            nn.init.normal_(parameter, std=0.0 if name.endswith("down") else parameter.shape[-1] ** -0.5)
    nn.init.normal_(model.language.embedding.weight, std=EMBEDDING_STD)
    numbers = number_rows(len(number_ids), model.config.language_config.hidden_size)
    model.language.embedding.weight[number_ids] = EMBEDDING_STD * numbers
    model.language.head.weight[number_ids] = HEAD_STD * numbers  # what looks like a number is said as that number
    model.tile_newline.mul_(EMBEDDING_STD)
    model.view_separator.mul_(EMBEDDING_STD)


def number_rows(count: int, width: int) -> Tensor:
    """Return [count, width] rows of deviation 1: the waves of each number, and a part of its own."""
    rows = waves(torch.arange(count) / (count - 1)) @ torch.randn(WAVE_SIZE, width)
    return rows / rows.std() * 0.9 + 0.3 * torch.randn(count, width)
