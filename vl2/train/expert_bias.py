"""Loss-free balance: a bias per expert, moved after each step against its load (paper, section 2; arXiv 2408.15664)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from vl2.core.errors import ConfigError
from vl2.model.moe import Router, Routing

Reduce = Callable[[Tensor], Tensor]  # sum a tensor over all processes that route other tokens
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")


@dataclass(frozen=True, kw_only=True)
class Balance:
    """How evenly one step's tokens went to experts."""

    expert_load: dict[int, Tensor]  # by layer: choices of each expert [E], over all processes
    max_violation: float  # mean over layers of (fullest - mean) / mean: MaxVio
    worst_layer: float

    @classmethod
    def of(cls, expert_load: Mapping[int, Tensor]) -> Balance:
        """Measure the loads of layers."""
        stacked = torch.stack([expert_load[layer] for layer in sorted(expert_load)])  # [L, E]
        mean = stacked.float().mean(1)  # [L]
        violations = (stacked.amax(1) - mean) / mean.clamp(min=1e-9)  # [L]
        return cls(
            expert_load={layer: expert_load[layer] for layer in sorted(expert_load)},
            max_violation=float(violations.mean()),
            worst_layer=float(violations.max()),
        )


class ExpertBalance:
    """Count choices over a step, then move the biases once."""

    def __init__(self) -> None:
        self._loads: dict[int, dict[int, Tensor]] = {}  # by microbatch, then layer

    def collect(self, routing: Mapping[int, Routing], *, microbatch: int, counts: Tensor | None = None) -> None:
        """Count a forward pass of this step; the same microbatch again, as in recompute, replaces its count.

        `counts` [N] leaves out tokens, such as padding. A microbatch may come in pieces, layers of each stage apart.
        """
        loads = self._loads.setdefault(microbatch, {})
        for layer, decided in routing.items():
            ids = decided.topk_ids.detach()  # [N, K]
            ids = ids if counts is None else ids[counts.flatten()]
            loads[layer] = ids.flatten().bincount(minlength=decided.scores.shape[1])  # [E]

    def update(self, model: nn.Module, step_size: float | None, reduce: Reduce = lambda loads: loads) -> Balance | None:
        """Move each bias by `step_size` towards even load and begin the next count. None when nothing was counted.

        Call it once a step, on every process. A step of 0 or None moves nothing. Raises ConfigError on a bias that
        is not float32: smaller types lose steps of a thousandth.
        """
        totals: dict[int, Tensor] = {}
        for loads in self._loads.values():
            for layer, load in loads.items():
                totals[layer] = totals[layer] + load if layer in totals else load
        self._loads = {}
        if not totals:
            return None
        layers = sorted(totals)
        stacked = reduce(torch.stack([totals[layer] for layer in layers]))  # [L, E]
        if step_size:
            routers = routers_of(model)
            for layer, load in zip(layers, stacked.float(), strict=True):
                _move(routers[layer].expert_bias, step_size * torch.sign(load.mean() - load))
        return Balance.of(dict(zip(layers, stacked, strict=True)))


def routers_of(model: nn.Module) -> dict[int, Router]:
    """Return the routers that have a bias, by the layer number in their names."""
    found = {}
    for name, module in model.named_modules():
        number = _LAYER.search(name)
        if isinstance(module, Router) and hasattr(module, "expert_bias") and number:
            found[int(number[1])] = module
    return found


@torch.no_grad()
def _move(bias: Tensor, change: Tensor) -> None:
    if bias.dtype != torch.float32:
        raise ConfigError("expert_bias", "must be float32 to move", got=bias.dtype, do="Keep it out of casts.")
    if isinstance(bias, DTensor):
        change = distribute_tensor(change, bias.device_mesh, bias.placements)
    bias.add_(change)
