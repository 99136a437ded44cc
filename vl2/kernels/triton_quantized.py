"""Products with quantised weights on a GPU: codes become numbers in registers, memory only ever sees the codes."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.kernels import quantized
from vl2.kernels.quantized import QuantizedTensor
from vl2.kernels.triton_weights import add_product, jit, load_tile, needs_gradient, store_tile, stored, tile_for


def quantized_linear(x: Tensor, weight: QuantizedTensor, bias: Tensor | None = None) -> Tensor:
    """Equal to `quantized.quantized_linear`, which also computes where a backward may follow."""
    if needs_gradient(x, bias):
        return quantized.quantized_linear(x, weight, bias)
    num_outputs, width = weight.shape
    if x.shape[-1] != width or (bias is not None and bias.shape != (num_outputs,)):
        got = tuple(x.shape), None if bias is None else tuple(bias.shape)
        raise VL2Error("linear", "x and bias do not fit the weight", got=got, expected=((width,), (num_outputs,)))
    flat = x.reshape(-1, width).contiguous()  # [N, D]
    out = torch.empty(len(flat), num_outputs, dtype=x.dtype, device=x.device)  # [N, F]
    if len(flat):
        codes, tile = stored(weight, x.dtype), tile_for(len(flat), x.dtype)
        _linear[-(-len(flat) // tile.rows), -(-num_outputs // tile.columns)](
            flat, codes.numbers, codes.scales, bias, out,
            len(flat), width, num_outputs, codes.num_stored, codes.num_groups,
            BITS=codes.bits, GROUP=codes.group, INNER=codes.inner, HAS_BIAS=bias is not None,
            ROWS=tile.rows, COLUMNS=tile.columns, num_warps=tile.num_warps, num_stages=tile.num_stages,
        )  # fmt: skip
    return out.view(*x.shape[:-1], num_outputs)


@jit
def _linear(
    x, codes, scales, bias, out, num_rows, width, num_outputs, num_stored, num_groups,
    BITS: tl.constexpr, GROUP: tl.constexpr, INNER: tl.constexpr, HAS_BIAS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Write x @ weight + bias for some rows of x and of the weight."""
    tokens = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    rows = tokens.to(tl.int64)
    is_token, is_column = tokens < num_rows, columns < num_outputs
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, width, INNER):
        inner = start + tl.arange(0, INNER)
        a = load_tile(x, rows * width, inner, is_token, inner < width)
        total = add_product(
            total, a, codes, scales, columns.to(tl.int64), is_column, start, width, num_stored, num_groups,
            BITS, GROUP, INNER,
        )  # fmt: skip
    if HAS_BIAS:
        total += tl.load(bias + columns, mask=is_column, other=0).to(tl.float32)[None, :]
    store_tile(out, rows * num_outputs, columns, is_token, is_column, total)
