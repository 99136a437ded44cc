"""Frozen weights in 8 or 4 bits below an adapter (QLoRA, Dettmers et al., 2023).

A weight is dequantised where a product needs it, some rows or one expert at a time, forward and once more on the way
back: what stays in memory is its codes. The gradient of the input is exact: it is that of the dequantised weight.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl2.kernels import Backends
from vl2.kernels.backends import backends_of
from vl2.kernels.grouped import sum_experts
from vl2.kernels.quantized import NUMBERS_AT_ONCE, QuantizedTensor, dequantize
from vl2.kernels.quantized_linear import QuantizedLinear, QuantizedWeight
from vl2.model import VL2
from vl2.model.moe import MoE, Routing
from vl2.train.tuning.change import Change
from vl2.weights.quantized_model import QuantizedExperts


class FrozenProduct(torch.autograd.Function):
    """x [.., K] times the rows of a quantised weight [N, K]; only the codes are kept for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: QuantizedTensor) -> Tensor:
        """Return [.., N]."""
        ctx.weight = weight
        return backends_of(x.device.type).quantized_linear(x, weight, None)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the gradient of x [.., K] for that of the product [.., N]."""
        weight: QuantizedTensor = ctx.weight
        step = max(1, NUMBERS_AT_ONCE // weight.width)
        total = grad.new_zeros(*grad.shape[:-1], weight.width)
        for start in range(0, weight.shape[0], step):
            rows = slice(start, start + step)
            total += grad[..., rows] @ dequantize(weight[rows]).to(grad.dtype)
        return total, None


class FrozenWeight(nn.Module):
    """A quantised weight [N, K], or one for each expert [E, N, K], and perhaps its change."""

    def __init__(self, source: QuantizedWeight) -> None:
        super().__init__()
        self.source = source
        self.change: Change | None = None

    def adapt(self, rank: int, scale: float) -> Change:
        """Give the weight a change that trains."""
        weight = self.source.tensor
        self.change = Change(weight.shape, rank, scale, weight.codes.device)
        return self.change

    def product(self, x: Tensor, expert: int | None = None) -> Tensor:
        """Return [.., N] for x [.., K]."""
        weight = self.source.tensor
        out = FrozenProduct.apply(x, weight if expert is None else weight[expert])
        if self.change is None or not self.change.is_on:
            return out
        return out + self.change.product(x, expert)


class FrozenLinear(nn.Module):
    """Equal to QuantizedLinear."""

    def __init__(self, source: QuantizedLinear) -> None:
        super().__init__()
        self.weight, self.bias = FrozenWeight(source.weight), source.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., N] for x [.., K]."""
        out = self.weight.product(x)
        return out if self.bias is None else out + self.bias


class FrozenExperts(nn.Module):
    """Equal to QuantizedExperts."""

    def __init__(self, source: QuantizedExperts) -> None:
        super().__init__()
        self.gate, self.up, self.down = map(FrozenWeight, (source.gate, source.up, source.down))

    def forward(self, x: Tensor, routing: Routing, backends: Backends) -> Tensor:
        """Return the weighted sum of the chosen experts [N, D] for x [N, D]."""

        def run(expert: int, share: Tensor) -> Tensor:
            hidden = F.silu(self.gate.product(share, expert)) * self.up.product(share, expert)
            return self.down.product(hidden, expert)

        return sum_experts(x, routing.topk_ids, routing.topk_weights, self.gate.source.tensor.shape[0], run)


def hold_frozen(model: VL2) -> dict[str, FrozenWeight]:
    """Put modules that gradients pass through in the places of quantised ones. Returns their weights by name."""
    found: dict[str, FrozenWeight] = {}
    for name, module in list(model.named_modules()):
        if not isinstance(module, QuantizedLinear | QuantizedExperts):
            continue
        owner_name, _, attribute = name.rpartition(".")
        owner = model.get_submodule(owner_name)
        held = FrozenLinear(module) if isinstance(module, QuantizedLinear) else FrozenExperts(module)
        setattr(owner, attribute, held)
        if isinstance(owner, MoE) and isinstance(held, FrozenExperts):
            owner.dispatch = held.forward
            # each expert's tokens are counted on the host
            model.backends = replace(model.backends, is_capturable=False)
        weights = ((part, child) for part, child in held.named_children() if isinstance(child, FrozenWeight))
        found |= {f"{name}.{part}": weight for part, weight in weights}
    return found
