"""A whole step of the language model, and all blocks of the vision tower, each in one call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.kernels.native import structs
from vl2.kernels.native.library import kernels

MOST_ROTATED = 256  # language.h, MOST_DIM
CACHE_DTYPES = (torch.float32, torch.bfloat16)


@dataclass(frozen=True)
class RowsOf:
    """The rows of one sequence: `count` tokens from `position` on; its blocks in the order of its tokens."""

    count: int
    position: int
    table: Tensor  # [blocks] int32


class LanguageStack:
    """The layers and the last norm. `kept` holds the tensors that the structures point to."""

    def __init__(self, shape: structs.Language, layers: Sequence[structs.Layer], kept: Sequence[object]) -> None:
        self.kept = kept
        self.layers = (structs.Layer * len(layers))(*layers)
        self.shape = shape
        self.shape.num_layers, self.shape.layers = len(layers), self.layers
        rotated = shape.rope if shape.is_latent else shape.head_dim
        if not 0 < rotated <= MOST_ROTATED or rotated % 2:
            raise VL2Error("head size", "is not supported", got=rotated, expected=f"even, at most {MOST_ROTATED}")
        self.rotated = rotated
        heads = shape.heads * shape.head_dim
        self.slot_width = shape.rank + shape.rope if shape.is_latent else 2 * heads

    def run(
        self, x: Tensor, table: tuple[Tensor, Tensor], rows: Sequence[RowsOf], slots: Tensor, block_size: int
    ) -> Tensor:
        """Return the states [R, D] behind the last norm for embeddings x [R, D], and write the cache.

        `table` holds cosines and sines [R, Dr] of the positions, `slots` [layers, slots, W] is the cache; rows stand
        sequence by sequence. Raises VL2Error when sizes do not fit.
        """
        self._check(x, table, rows, slots, block_size)
        states = x.detach().to(torch.float32, copy=True).contiguous()
        cos, sin = (part.float().contiguous() for part in table)
        sequences = (structs.Rows * len(rows))()
        first = 0
        for place, one in zip(sequences, rows, strict=True):
            place.first, place.count, place.position, place.table = first, one.count, one.position, one.table.data_ptr()
            first += one.count
        step = structs.Step(
            states.data_ptr(), len(states), len(rows), sequences, cos.data_ptr(), sin.data_ptr(), slots.data_ptr(),
            slots.stride(0) * slots.element_size(), block_size, slots.dtype == torch.bfloat16,
        )  # fmt: skip
        kernels().vl2_language(ctypes.byref(self.shape), ctypes.byref(step))
        return states

    def _check(
        self, x: Tensor, table: tuple[Tensor, Tensor], rows: Sequence[RowsOf], slots: Tensor, block_size: int
    ) -> None:
        """Nothing that C++ reads or writes may lie outside its tensor."""
        count = sum(one.count for one in rows)
        if x.shape != (count, self.shape.width) or x.device.type != "cpu" or min(o.count for o in rows) < 1:
            raise VL2Error("rows", "do not fit", got=list(x.shape), expected=[count, self.shape.width])
        if any(part.shape != (count, self.rotated) for part in table):
            raise VL2Error("rope table", "does not fit", got=list(table[0].shape), expected=[count, self.rotated])
        fits = slots.dim() == 3 and len(slots) == self.shape.num_layers and slots.shape[2] == self.slot_width
        if not fits or not slots.is_contiguous() or slots.dtype not in CACHE_DTYPES:
            expected = [self.shape.num_layers, "slots", self.slot_width]
            raise VL2Error("cache", "does not fit", got=list(slots.shape), expected=expected)
        for one in rows:
            blocks = one.table[: -(-(one.position + one.count) // block_size)]
            is_table = one.table.dtype == torch.int32 and one.table.is_contiguous() and one.position >= 0
            if not is_table or len(blocks) * block_size < one.position + one.count:
                raise VL2Error("block table", "is too short", got=len(one.table), expected=one.position + one.count)
            low, high = (int(edge) for edge in blocks.aminmax())
            if low < 0 or (high + 1) * block_size > slots.shape[1]:
                raise VL2Error("block table", "names blocks outside the cache", got=[low, high])


class VisionStack:
    """The blocks of the vision tower. `kept` holds the tensors that the structures point to."""

    def __init__(self, shape: structs.Vision, blocks: Sequence[structs.Block], kept: Sequence[object]) -> None:
        self.kept = kept
        self.blocks = (structs.Block * len(blocks))(*blocks)
        self.shape = shape
        self.shape.num_blocks, self.shape.blocks = len(blocks), self.blocks
        if shape.width % 16 or shape.width % shape.heads:
            raise VL2Error("vision width", "must be a multiple of 16 and of the heads", got=shape.width)

    def run(self, x: Tensor) -> Tensor:
        """Return the output of the last block [N, P, C] in float32 for patches x [N, P, C]."""
        if x.shape[1:] != (self.shape.patches, self.shape.width) or x.device.type != "cpu":
            expected = ["N", self.shape.patches, self.shape.width]
            raise VL2Error("patches", "do not fit", got=list(x.shape), expected=expected)
        out = x.detach().to(torch.float32, copy=True).contiguous()
        kernels().vl2_vision(ctypes.byref(self.shape), out.data_ptr(), len(out))
        return out
