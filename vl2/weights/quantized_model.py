"""Which weights are quantised, and the modules that hold them."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from vl2.kernels import Backends
from vl2.kernels.quantized_linear import QuantizedEmbedding, QuantizedLinear, QuantizedWeight
from vl2.model import VL2
from vl2.model.config import QuantizationConfig
from vl2.model.moe import MoE, RoutedExperts, Routing

# Modules by name, and their bits or the field that holds them; the first match counts. Others stay as they are: norms,
# routers, biases, the patch embedding, and latent_up, which absorbed attention reads as a matrix. All heads see the
# past through latent_down alone: in 4 bits it costs pocket as much as all other layers together, and it is small.
_BITS: tuple[tuple[re.Pattern[str], str | int], ...] = (
    (re.compile(r"vision\.|adaptor\."), "vision_bits"),
    (re.compile(r"language\.embedding"), "embedding_bits"),
    (re.compile(r"language\.head"), "head_bits"),
    (re.compile(r"language\.layers\.\d+\.attention\.latent_down"), 8),
    (re.compile(r"language\.layers\.\d+\.(?!attention\.latent_up)"), "bits"),
)


class QuantizedExperts(nn.Module):
    """Equal to RoutedExperts with the dequantised weights."""

    def __init__(self, source: RoutedExperts, bits: int, group: int) -> None:
        super().__init__()
        self.gate = QuantizedWeight(source.gate.shape, bits, group)
        self.up = QuantizedWeight(source.up.shape, bits, group)
        self.down = QuantizedWeight(source.down.shape, bits, group)

    def forward(self, x: Tensor, routing: Routing, backends: Backends) -> Tensor:
        """Return the weighted sum of the chosen experts [N, D] for x [N, D]."""
        gate, up, down = self.gate.tensor, self.up.tensor, self.down.tensor
        return backends.quantized_experts(x, routing.topk_ids, routing.topk_weights, gate, up, down)


def hold_quantized(model: VL2, config: QuantizationConfig, dtype: torch.dtype) -> None:
    """Put modules of quantised weights in the places of a model's own, still to be filled.

    `dtype` is what the model computes in.
    """
    for name, module in list(model.named_modules()):
        rule = next((rule for pattern, rule in _BITS if pattern.match(name)), None)
        if rule is not None:
            bits = rule if isinstance(rule, int) else getattr(config, rule)
            _replace(model, name, module, bits, config.group, dtype)


def quantized_weights(model: VL2) -> dict[str, QuantizedWeight]:
    """Return the quantised weights of a model by the names that they have in an unquantised one."""
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedWeight)}


def _replace(model: VL2, name: str, module: nn.Module, bits: int, group: int, dtype: torch.dtype) -> None:
    owner_name, _, attribute = name.rpartition(".")
    owner = model.get_submodule(owner_name)
    match module:
        case nn.Linear():
            setattr(owner, attribute, QuantizedLinear(module, bits, group))
        case nn.Embedding():
            setattr(owner, attribute, QuantizedEmbedding(module, bits, group, dtype))
        case RoutedExperts() if isinstance(owner, MoE):
            experts = QuantizedExperts(module, bits, group)
            setattr(owner, attribute, experts)
            owner.dispatch = experts.forward
        case _:
            pass
