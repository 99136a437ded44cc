"""Parts of a model in the layout of the CPU kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from vl2.kernels.native import structs
from vl2.kernels.native.packed import PackedWeight
from vl2.kernels.quantized import QuantizedTensor
from vl2.kernels.quantized_linear import QuantizedLinear, QuantizedWeight
from vl2.model.moe import MLP
from vl2.model.norm import RMSNorm

# Of activations that meet integers, by bits of the weight. Eight bits take half the time: beside weights of 4 bits the
# divergence grows by a twentieth, beside weights of 8 it would double.
INPUT_BITS = {8: 15, 4: 8}


def packed_linear(*linears: nn.Linear | QuantizedLinear, input_bits: int | None = None) -> PackedWeight:
    """Pack a linear layer, or several that read the same input as one."""
    biases: list[Tensor] = [one.bias for one in linears if one.bias is not None]
    bias = torch.cat(biases) if biases else None
    parts = [one.weight.tensor for one in linears if isinstance(one, QuantizedLinear)]
    if parts:
        joined = replace(
            parts[0], codes=_joined([part.codes for part in parts]), scales=_joined([part.scales for part in parts])
        )
        return _packed_codes(joined, bias, input_bits)
    return PackedWeight.from_float(_joined([one.weight for one in linears if isinstance(one, nn.Linear)]), bias)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))  # a head is too large to be copied for nothing


def packed_experts(weight: Tensor | QuantizedWeight) -> PackedWeight:
    """Pack one matrix of all experts [E, N, K]."""
    return _packed_codes(weight.tensor) if isinstance(weight, QuantizedWeight) else PackedWeight.from_float(weight)


def _packed_codes(
    weight: QuantizedTensor, bias: Tensor | None = None, input_bits: int | None = None
) -> PackedWeight:
    return PackedWeight.from_codes(
        weight.codes, weight.scales, bits=weight.bits, group=weight.group, num_inputs=weight.width, bias=bias,
        input_bits=input_bits or INPUT_BITS[weight.bits],
    )  # fmt: skip


class Keeper:
    """Remember what structures point to."""

    def __init__(self, kept: list[object]) -> None:
        self.kept = kept

    def weight(self, packed: PackedWeight) -> structs.Weight:
        """Keep a weight."""
        self.kept.append(packed)
        return packed.struct()

    def mlp(self, mlp: MLP) -> structs.MlpWeights:
        """Pack and keep the weights of a gated MLP."""
        return structs.MlpWeights(*(self.weight(packed_linear(w)) for w in (mlp.gate, mlp.up, mlp.down)))

    def norm(self, norm: RMSNorm | nn.LayerNorm) -> int:
        """Keep the weight of a norm, and return its address."""
        return self.floats(norm.weight)

    def floats(self, values: Tensor) -> int:
        """Keep values in float32, and return their address."""
        found = floats(values)
        self.kept.append(found)
        return found.data_ptr()


def floats(values: Tensor) -> Tensor:
    """Return values in float32, one after the other."""
    return values.detach().float().contiguous()
