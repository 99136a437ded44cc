"""Weights in 8 or 4 bits with a scale for every group of columns: the specification of the format.

A weight [.., N, K] is cut into groups of `group` columns, the last one filled up with zeros (Kp columns). Each number
is code * scale; codes are integers, scales bfloat16. Four-bit codes use all of -8..7, so a scale may be negative: its
sign gives the eighth step to the side that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

GROUPS = (32, 64, 128)
CODES = {8: (-127, 127), 4: (-8, 7)}  # lowest and highest code, by bits
CODE_TYPES = {8: torch.int8, 4: torch.uint8}
OFFSET = 8  # added to a four-bit code where it is stored
# Tried as scale / (largest number of the group): the best 20 by squared error on normal and on trained weights. 1 is
# among them (over 127 and 8), so what was quantised before is found again.
FACTORS: dict[int, tuple[float, ...]] = {
    8: tuple((0.97 + 0.002 * step) / 127 for step in range(20)),  # clipping never pays, a luckier rounding does
    4: tuple(sign * (0.75 + 0.05 * step) / 8 for sign in (1, -1) for step in range(10)),
}
SMALLEST = 1e-30  # a group of smaller numbers is zero: their scale would be too small to divide by
NUMBERS_AT_ONCE = 1 << 20  # weights in float32 at a time, here and in products: 4 MB each copy


@dataclass(frozen=True)
class QuantizedTensor:
    """A weight [.., N, K] as codes and scales; code * scale is the number."""

    codes: Tensor  # int8 [.., N, Kp], or uint8 [.., N, Kp/2]: code + 8, even columns in the low half of a byte
    scales: Tensor  # bfloat16 [.., N, Kp/group], of either sign
    bits: int
    group: int
    width: int  # K

    @property
    def shape(self) -> torch.Size:
        """Return the shape of the weight."""
        return torch.Size((*self.codes.shape[:-1], self.width))

    def __getitem__(self, index: int | slice | Tensor) -> QuantizedTensor:
        """Return the part of this index along the first dimension."""
        return replace(self, codes=self.codes[index], scales=self.scales[index])


def packed_shapes(
    shape: torch.Size | tuple[int, ...], bits: int, group: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of codes and scales of a weight of this shape."""
    num_groups = -(-shape[-1] // group)
    return (*shape[:-1], num_groups * group * bits // 8), (*shape[:-1], num_groups)


@torch.no_grad()
def quantize(weight: Tensor, bits: int, group: int, importance: Tensor | None = None) -> QuantizedTensor:
    """Quantise a weight [.., N, K], each group with the scale of the smallest squared error.

    `importance` [K] or [.., K] weighs the errors of the columns: the mean square of what they are multiplied with.
    """
    if weight.dim() > 2:
        columns = [importance] * len(weight) if importance is None or importance.dim() == 1 else importance
        parts = [quantize(part, bits, group, own) for part, own in zip(weight, columns, strict=True)]
    else:
        rows = weight.split(max(1, NUMBERS_AT_ONCE // weight.shape[1]))
        parts = [store(*_fit(part.float(), bits, group, importance), bits, group, weight.shape[1]) for part in rows]
    join = torch.stack if weight.dim() > 2 else torch.cat
    codes, scales = join([part.codes for part in parts]), join([part.scales for part in parts])
    return QuantizedTensor(codes, scales, bits, group, weight.shape[-1])


def store(codes: Tensor, scales: Tensor, bits: int, group: int, width: int) -> QuantizedTensor:
    """Return codes [N, Kp], int8 in the range of the bits, with their scales [N, Kp/group] as they are stored."""
    return QuantizedTensor(_pack(codes) if bits == 4 else codes, scales, bits, group, width)


def dequantize(quantized: QuantizedTensor) -> Tensor:
    """Return the numbers [.., N, K] in float32."""
    codes = _unpack(quantized.codes) if quantized.bits == 4 else quantized.codes  # [.., N, Kp]
    numbers = codes.float().unflatten(-1, (-1, quantized.group)) * quantized.scales.float()[..., None]
    return numbers.flatten(-2)[..., : quantized.width]  # [.., N, K]


def quantized_linear(x: Tensor, weight: QuantizedTensor, bias: Tensor | None = None) -> Tensor:
    """Return F.linear of x [.., K] with the weight [N, K] in x's dtype, some rows of it in memory at a time."""
    pieces = [
        F.linear(x, dequantize(weight[rows]).to(x.dtype), None if bias is None else bias[rows])
        for rows in _row_slices(weight)
    ]
    return torch.cat(pieces, dim=-1) if len(pieces) > 1 else pieces[0]


def quantized_swiglu(x: Tensor, gate: QuantizedTensor, up: QuantizedTensor, down: QuantizedTensor) -> Tensor:
    """Apply one gated MLP. x [N, D], gate and up [F, D], down [D, F]. Returns [N, D]."""
    return quantized_linear(F.silu(quantized_linear(x, gate)) * quantized_linear(x, up), down)  # [N, D]


def _row_slices(weight: QuantizedTensor) -> Iterator[slice]:
    step = max(1, NUMBERS_AT_ONCE // weight.width)
    return (slice(start, start + step) for start in range(0, weight.shape[0], step))


def _fit(rows: Tensor, bits: int, group: int, importance: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return codes [N, Kp] and scales [N, G] of rows [N, K] in float32."""
    missing = -rows.shape[1] % group
    numbers = F.pad(rows, (0, missing)).unflatten(1, (-1, group))  # [N, G, g]
    weights = None if importance is None else F.pad(importance.float(), (0, missing)).view(-1, group)  # [G, g]
    peak = numbers.abs().amax(-1, keepdim=True)  # [N, G, 1]
    scales = torch.zeros_like(peak)
    smallest = torch.full_like(peak, torch.inf)
    for factor in FACTORS[bits]:
        tried = (peak * factor).bfloat16().float()  # [N, G, 1] float32: the error is that of the stored scale
        errors = _codes(numbers, tried, bits).mul_(tried).sub_(numbers).square_()  # [N, G, g]
        error = (errors if weights is None else errors.mul_(weights)).sum(-1, keepdim=True)  # [N, G, 1]
        scales = torch.where(error < smallest, tried, scales)
        smallest = torch.minimum(error, smallest)
    codes = _codes(numbers, scales, bits).to(torch.int8).flatten(1)  # [N, Kp]
    return codes, scales[..., 0].bfloat16()


def _codes(numbers: Tensor, scales: Tensor, bits: int) -> Tensor:
    return (numbers * safe_inverse(scales)).round_().clamp_(*CODES[bits])


def safe_inverse(scales: Tensor) -> Tensor:
    """Return 1 / scales, and 0 where a scale is too small to divide by."""
    return torch.where(scales.abs() < SMALLEST, 0, 1 / scales)


def _pack(codes: Tensor) -> Tensor:
    """Return bytes [N, Kp/2] of codes [N, Kp]."""
    stored = (codes + OFFSET).to(torch.uint8)
    return stored[:, ::2] | stored[:, 1::2] << 4


def _unpack(stored: Tensor) -> Tensor:
    """Return codes [.., N, Kp] of bytes [.., N, Kp/2]."""
    halves = torch.stack((stored & 15, stored >> 4), dim=-1).flatten(-2)
    return halves.to(torch.int8) - OFFSET
