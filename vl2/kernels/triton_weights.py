"""Weights as Triton kernels read them: tile by tile, numbers or codes of 8 and 4 bits, multiplied in registers.

Letters of tiles: M rows of x, N rows of the weight, I columns of both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton import knobs

from vl2.core.errors import VL2Error
from vl2.kernels.quantized import QuantizedTensor

Weight = Tensor | QuantizedTensor
INTERPRETED = tl.constexpr(knobs.runtime.interpret)
jit: Any = triton.jit  # typed loosely: for a type checker a kernel takes neither plain numbers nor launch options
TILE_BYTES = 128  # of one row of x in a tile: a cache line


class Tile(NamedTuple):
    """What one program computes: `rows` of x times `columns` rows of the weight."""

    rows: int
    columns: int
    num_warps: int
    num_stages: int


FEW_ROWS = Tile(rows=16, columns=32, num_warps=4, num_stages=4)  # decode: many programs, all waiting for memory
MANY_ROWS = Tile(rows=64, columns=128, num_warps=8, num_stages=3)  # prefill: 64 tokens use each number that is read
MANY_FROM = 32  # rows that share a weight; fewer would leave most of a large tile empty


class Stored(NamedTuple):
    """A weight [.., N, K] as kernels take it."""

    numbers: Tensor
    scales: Tensor | None
    num_stored: int  # numbers of a row
    num_groups: int  # scales of a row
    bits: int  # 0: the numbers are no codes
    group: int  # columns that share a scale
    inner: int  # columns of a tile


def stored(weight: Weight, dtype: torch.dtype) -> Stored:
    """Return how a kernel finds the numbers of a weight that is multiplied with x of `dtype`."""
    inner = TILE_BYTES // dtype.itemsize
    if isinstance(weight, Tensor):
        return Stored(_in_rows(weight), None, weight.shape[-1], 0, 0, inner, inner)
    codes, scales = _in_rows(weight.codes), _in_rows(weight.scales)
    inner = min(inner, weight.group)  # one scale a tile and row
    return Stored(codes, scales, codes.shape[-1], scales.shape[-1], weight.bits, weight.group, inner)


def power_of_two(least: int) -> int:
    """Return the smallest power of two from `least` on: what a range in a kernel may span."""
    return 1 << (least - 1).bit_length()


def tile_for(rows_per_weight: float, dtype: torch.dtype) -> Tile:
    """Return the tile for a weight that is multiplied with so many rows of `dtype`."""
    # float32 is multiplied without matrix units, for their rounding: a large tile would not fit in registers
    return MANY_ROWS if rows_per_weight >= MANY_FROM and dtype.itemsize < 4 else FEW_ROWS


def needs_gradient(*tensors: Weight | None) -> bool:
    """Tell whether a backward may follow: the Triton kernels have none."""
    return torch.is_grad_enabled() and any(isinstance(one, Tensor) and one.requires_grad for one in tensors)


def _in_rows(numbers: Tensor) -> Tensor:
    if not numbers.is_contiguous():
        raise VL2Error("weight", "rows do not follow each other in memory", do="Call contiguous() once when loading.")
    return numbers


@jit
def load_tile(tensor, starts, columns, is_row, is_column):
    """Return a tile [M, I] of rows that start at `starts` [M], zeros where a row or a column is none."""
    return tl.load(tensor + starts[:, None] + columns[None, :], mask=is_row[:, None] & is_column[None, :], other=0)


@jit
def store_tile(tensor, starts, columns, is_row, is_column, tile):
    """Write a tile [M, I] where rows start at `starts` [M], in the type of the tensor."""
    places = tensor + starts[:, None] + columns[None, :]
    tl.store(places, tile.to(tensor.dtype.element_ty), mask=is_row[:, None] & is_column[None, :])


@jit
def product(a, b, total):
    """Return total [M, N] + a [M, I] @ b [I, N], summed in float32; b may hold codes."""
    if INTERPRETED:
        # The interpreter keeps bfloat16 as integers and would multiply those. The products are the same in float32.
        a = a.to(tl.float32)
    return tl.dot(a, b.to(a.dtype), total, input_precision="ieee")


@jit
def add_product(
    total, a, numbers, scales, rows, is_row, start, width, num_stored, num_groups,
    BITS: tl.constexpr, GROUP: tl.constexpr, INNER: tl.constexpr,
):  # fmt: skip
    """Return total [M, N] + a [M, I] times `rows` [N] of a weight from column `start` on, transposed."""
    starts = rows * num_stored
    if BITS == 0:
        columns = start + tl.arange(0, INNER)
        weight = load_tile(numbers, starts, columns, is_row, columns < width)
        total = product(a, tl.trans(weight), total)
    else:
        if BITS == 8:
            columns = start + tl.arange(0, INNER)
            codes = load_tile(numbers, starts, columns, is_row, columns < num_stored)
        else:
            columns = start // 2 + tl.arange(0, INNER // 2)
            pairs = load_tile(numbers, starts, columns, is_row, columns < num_stored)
            codes = tl.interleave(pairs & 15, pairs >> 4).to(tl.int8) - 8
        # Codes are exact in bfloat16, and their sums are scaled in float32.
        part = product(a, tl.trans(codes), tl.zeros(total.shape, tl.float32))
        scale = tl.load(scales + rows * num_groups + start // GROUP, mask=is_row, other=0).to(tl.float32)
        total += part * scale[None, :]
    return total
