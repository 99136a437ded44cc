"""What a fine-tuning moves, and the optimizer's memory of it by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vl2.model import VL2
from vl2.train.tuning.change import Change
from vl2.train.tuning.lora import part_of

MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # torch.optim.AdamW's names


@dataclass(frozen=True)
class Moved:
    """One tensor that trains."""

    name: str
    part: str
    parameter: nn.Parameter


def moved_by_adapter(changes: Mapping[str, Change]) -> list[Moved]:
    """Return the matrices of an adapter."""
    sides = [(name, side) for name in changes for side in ("down", "up")]
    return [Moved(f"{name}.{side}", part_of(name) or "", getattr(changes[name], side)) for name, side in sides]


def moved_weights(model: VL2, parts: Sequence[str]) -> list[Moved]:
    """Let the weights of these parts train, and only these."""
    model.requires_grad_(False)
    found = [Moved(name, part_of(name) or "", p) for name, p in model.named_parameters() if part_of(name) in parts]
    for one in found:
        one.parameter.requires_grad_(True)
    return found


def rate_groups(moved: Sequence[Moved], factors: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the optimizer's groups, one for each factor of the learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for one in moved:
        groups.setdefault(factors.get(one.part, 1.0), []).append(one.parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]


def moments_of(optimizer: torch.optim.AdamW, moved: Sequence[Moved]) -> dict[str, Tensor]:
    """Return what the optimizer remembers, by name; nothing before its first step."""
    known = ((one, optimizer.state[one.parameter]) for one in moved if one.parameter in optimizer.state)
    return {f"{moment}.{one.name}": state[moment] for one, state in known for moment in MOMENTS}


def set_moments(optimizer: torch.optim.AdamW, moved: Sequence[Moved], tensors: Mapping[str, Tensor]) -> None:
    """Make the optimizer remember what `moments_of` returned."""
    for one in moved:
        if f"step.{one.name}" in tensors:
            state = {moment: tensors[f"{moment}.{one.name}"].to(one.parameter.device) for moment in MOMENTS}
            optimizer.state[one.parameter] = state | {"step": tensors[f"step.{one.name}"]}  # which stays on the CPU
