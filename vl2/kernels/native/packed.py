"""Weights in the layout that the C++ kernels read, and what they compute with one weight."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vl2.core.errors import VL2Error
from vl2.core.memory import huge_copy, huge_zeros
from vl2.kernels.native import structs
from vl2.kernels.native.library import kernels

LANES = 16  # rows of a tile
FLOAT32, BFLOAT16, INT8, INT4 = range(4)
GROUPS = (32, 64, 128)
INPUT_BITS = (8, 15)
QUAD = {8: 4, 4: 8}  # columns that stand in four bytes
ZERO = {8: 0, 4: 8}  # the code of zero
HALF_COLS = 32  # of bfloat16, which a tile unit takes at once (amx.h)
ROWS_AT_ONCE = 256 * LANES


@dataclass(frozen=True, eq=False)
class PackedWeight:
    """A weight [rows, cols] or a stack of experts [E, rows, cols] in tiles of 16 rows (tiles.h)."""

    format: int
    group: int  # columns that share a scale; 0 for floats
    shape: tuple[int, ...]  # as it was: [.., rows, cols]
    num_cols: int  # stored, zeros at the end
    data: Tensor  # uint8 [E, bytes]
    scales: Tensor | None  # bfloat16 [E, tiles * groups * 16]
    bias: Tensor | None = None  # float32 [rows]
    input_bits: int = 15  # of the activations that meet integers; 8 take half the time

    def __post_init__(self) -> None:
        rows = self.shape[-2]
        if self.bias is not None and (self.bias.shape != (rows,) or self.bias.dtype != torch.float32):
            raise VL2Error("bias", "does not fit the weight", got=list(self.bias.shape), expected=[rows])
        if self.input_bits not in INPUT_BITS:
            raise VL2Error("input_bits", "is not supported", got=self.input_bits, expected=list(INPUT_BITS))
        if self.group and self.group not in GROUPS:
            raise VL2Error("group", "is not supported", got=self.group, expected=list(GROUPS))

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor | None = None) -> PackedWeight:
        """Pack floats [.., rows, cols]: bfloat16 as it is, everything else as float32."""
        is_half = weight.dtype == torch.bfloat16
        experts = weight.detach().reshape(-1, *weight.shape[-2:])
        tiles = _fill(experts if is_half else experts.float(), LANES, HALF_COLS if is_half else 1)
        count, rows, cols = tiles.shape
        # a pair of bfloat16 columns moves as one word
        words = tiles.contiguous().view(torch.int32).view(count, rows // LANES, LANES, -1)
        data = huge_copy(words.transpose(2, 3)).view(count, -1).view(torch.uint8)
        return cls(
            BFLOAT16 if is_half else FLOAT32, 0, tuple(weight.shape), cols, data, None, _floats(bias)
        )

    @classmethod
    def from_codes(
        cls, codes: Tensor, scales: Tensor, *, bits: int, group: int, num_inputs: int, bias: Tensor | None = None,
        input_bits: int = 15,
    ) -> PackedWeight:  # fmt: skip
        """Pack a quantised weight: codes and scales as in `vl2.kernels.quantized`."""
        shape = (*codes.shape[:-1], num_inputs)
        experts = codes.reshape(-1, *codes.shape[-2:])
        count, rows = experts.shape[:2]
        tiles = -(-rows // LANES)
        cols = codes.shape[-1] * (8 // bits)
        # piece by piece: what is on the way takes no memory worth planning
        quads = huge_zeros((count, tiles, cols // QUAD[bits], LANES, 4), torch.uint8)
        for expert in range(count):
            for first in range(0, rows, ROWS_AT_ONCE):
                piece = _quads(experts[expert, first : first + ROWS_AT_ONCE], bits)
                quads[expert, first // LANES :][: len(piece)] = piece
        data = quads.view(count, -1)
        steps = _fill(scales.detach().reshape(count, -1, cols // group), LANES, 1)
        steps = steps.view(count, tiles, LANES, -1).transpose(2, 3).contiguous().view(count, -1)
        return cls(INT4 if bits == 4 else INT8, group, shape, cols, data, steps, _floats(bias), input_bits)

    @property
    def nbytes(self) -> int:
        """Return the bytes in memory."""
        return self.data.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def struct(self) -> structs.Weight:
        """Return what C++ sees. It lives as long as this object does."""
        return structs.Weight(
            self.format, self.group, self.input_bits, self.shape[-2], self.num_cols, self.shape[-1],
            self.data.data_ptr(), None if self.scales is None else self.scales.data_ptr(),
            None if self.bias is None else self.bias.data_ptr(),
            self.data.stride(0), 0 if self.scales is None else self.scales.stride(0) * 2,
        )  # fmt: skip


NO_WEIGHT = structs.Weight()


class PackedLinear(nn.Module):
    """A linear layer whose weight is packed. It computes in float32 and answers in the type of its input."""

    def __init__(self, weight: PackedWeight) -> None:
        super().__init__()
        self.packed = weight

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., rows] for x [.., cols]."""
        return multiply(x, self.packed)


def multiply(x: Tensor, weight: PackedWeight) -> Tensor:
    """Return weight * x + bias, [.., rows] for x [.., cols]. Raises VL2Error for other shapes."""
    if len(weight.shape) != 2 or x.shape[-1] != weight.shape[1] or x.device.type != "cpu":
        raise VL2Error("input", "does not fit the packed weight", got=list(x.shape), expected=["..", weight.shape[-1]])
    rows = x.detach().reshape(-1, weight.shape[1]).float().contiguous()
    out = torch.empty(len(rows), weight.shape[0])
    kernels().vl2_multiply(ctypes.byref(weight.struct()), rows.data_ptr(), len(rows), out.data_ptr())
    return out.view(*x.shape[:-1], weight.shape[0]).to(x.dtype)


def routed_experts(
    x: Tensor, topk_ids: Tensor, topk_weights: Tensor, gate: PackedWeight, up: PackedWeight, down: PackedWeight
) -> Tensor:
    """Equal to `reference.routed_experts` with packed experts. Raises VL2Error for other shapes."""
    num_experts, hidden, width = gate.shape
    top_k = topk_ids.shape[1]
    fits = up.shape == gate.shape and down.shape == (num_experts, width, hidden) and x.shape[1:] == (width,)
    if not fits or topk_ids.shape != topk_weights.shape or len(topk_ids) != len(x):
        raise VL2Error("experts", "do not fit the input", got=[list(x.shape), gate.shape, up.shape, down.shape])
    if topk_ids.numel() and not 0 <= int(topk_ids.min()) <= int(topk_ids.max()) < num_experts:
        raise VL2Error("topk_ids", "name experts that are not there", expected=f"0 .. {num_experts - 1}")
    rows, ids, weights = x.float().contiguous(), topk_ids.long().contiguous(), topk_weights.float().contiguous()
    out = torch.empty(len(x), width)
    mlp = structs.MlpWeights(gate.struct(), up.struct(), down.struct())
    kernels().vl2_experts(
        ctypes.byref(mlp), rows.data_ptr(), ids.data_ptr(), weights.data_ptr(), len(x), num_experts, top_k,
        out.data_ptr(),
    )  # fmt: skip
    return out.to(x.dtype)


def attention(query: Tensor, key: Tensor, value: Tensor, limits: Tensor, *, is_bfloat16: bool) -> Tensor:
    """Attend one head: query [T, Dh] with the scale in it, key [S, Dh], value [S, Dv]; query i sees limits[i] slots."""
    queries, keys, values = (part.float().contiguous() for part in (query, key, value))
    seen = limits.long().contiguous()
    fits = queries.shape[1] == keys.shape[1] and len(keys) == len(values) and seen.shape == (len(queries),)
    if not fits or not 1 <= int(seen.min()) <= int(seen.max()) <= len(keys):
        raise VL2Error("attention", "shapes do not fit", got=[list(part.shape) for part in (query, key, value, limits)])
    out = torch.empty(len(queries), values.shape[1])
    kernels().vl2_attention(
        BFLOAT16 if is_bfloat16 else FLOAT32, queries.data_ptr(), keys.data_ptr(), values.data_ptr(), seen.data_ptr(),
        len(queries), len(keys), keys.shape[1], values.shape[1], out.data_ptr(),
    )  # fmt: skip
    return out.to(query.dtype)


def _quads(codes: Tensor, bits: int) -> Tensor:
    """Return codes [rows, bytes] as tiles [tiles, Q, 16, 4] of four bytes of a row."""
    if bits == 4:
        codes = torch.stack((codes & 15, codes >> 4), dim=-1).flatten(-2)  # [rows, K], value + 8
    filled = nn.functional.pad(codes, (0, 0, 0, -len(codes) % LANES), value=ZERO[bits])
    if bits == 4:
        pairs = filled.view(len(filled), -1, 2, 4)
        filled = pairs[..., 0, :] | (pairs[..., 1, :] << 4)  # [rows, K/8, 4]: columns that are four apart share a byte
    else:
        filled = filled.view(torch.uint8) ^ 128  # value + 128
    return filled.reshape(len(filled) // LANES, LANES, -1, 4).transpose(1, 2)


def _fill(x: Tensor, row_step: int, col_step: int) -> Tensor:
    """Fill [E, rows, cols] up to multiples with zeros."""
    missing_rows, missing_cols = -x.shape[1] % row_step, -x.shape[2] % col_step
    if not missing_rows and not missing_cols:
        return x
    return nn.functional.pad(x, (0, missing_cols, 0, missing_rows))


def _floats(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.detach().float().contiguous()
