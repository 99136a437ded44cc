"""Layers whose weight stays quantised, in the places of nn.Linear and nn.Embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vl2.kernels.backends import backends_of
from vl2.kernels.quantized import CODE_TYPES, QuantizedTensor, dequantize, packed_shapes


class QuantizedWeight(nn.Module):
    """The codes and scales of a weight, as buffers: `X.weight.codes` beside `X.weight.scales`."""

    codes: Tensor
    scales: Tensor

    def __init__(self, shape: torch.Size | tuple[int, ...], bits: int, group: int) -> None:
        super().__init__()
        self.bits, self.group, self.width = bits, group, shape[-1]
        codes, scales = packed_shapes(shape, bits, group)
        self.register_buffer("codes", torch.zeros(codes, dtype=CODE_TYPES[bits]))
        self.register_buffer("scales", torch.zeros(scales, dtype=torch.bfloat16))

    @property
    def tensor(self) -> QuantizedTensor:
        """Return the weight as a tensor."""
        return QuantizedTensor(self.codes, self.scales, self.bits, self.group, self.width)


class QuantizedLinear(nn.Module):
    """Equal to nn.Linear with the dequantised weight."""

    def __init__(self, source: nn.Linear, bits: int, group: int) -> None:
        super().__init__()
        self.weight = QuantizedWeight(source.weight.shape, bits, group)
        self.bias = source.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., N] for x [.., K], with the kernels of x's device."""
        return backends_of(x.device.type).quantized_linear(x, self.weight.tensor, self.bias)


class QuantizedEmbedding(nn.Module):
    """Equal to nn.Embedding with the dequantised table."""

    def __init__(self, source: nn.Embedding, bits: int, group: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = QuantizedWeight(source.weight.shape, bits, group)
        self.dtype = dtype  # of what it returns

    def forward(self, ids: Tensor) -> Tensor:
        """Return [.., D] for ids [..]."""
        return dequantize(self.weight.tensor[ids]).to(self.dtype)
