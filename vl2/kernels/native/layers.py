"""A whole step of the language model, and all blocks of the vision tower, each in one call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.kernels.cache_entry import entry_bytes, entry_group
from vl2.kernels.native import structs
from vl2.kernels.native.library import kernels
from vl2.kernels.native.packed import BFLOAT16, FLOAT32, INT8, PackedWeight

MOST_ROTATED = 256  # language.h, MOST_DIM
CACHE_FORMATS = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16, torch.int8: INT8}


@dataclass(frozen=True)
class Rows:
    """The rows of a step, sequence by sequence."""

    counts: Sequence[int]  # of tokens, by sequence
    starts: Sequence[int]  # the position of each sequence's first row
    tables: Tensor  # [sequences, blocks] int32: the blocks of each, in the order of its positions
    block_size: int

    @property
    def end(self) -> int:
        """Return one more than the largest position."""
        return max(start + count for start, count in zip(self.starts, self.counts, strict=True))


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
        self.slot_parts = (shape.rank, shape.rope) if shape.is_latent else (shape.head_dim,)

    def run(
        self, x: Tensor, table: tuple[Tensor, Tensor], rows: Rows, slots: Tensor, head: PackedWeight | None = None
    ) -> Tensor:
        """Return the states [R, D] behind the last norm for embeddings x [R, D], and write the cache.

        With a `head` [V, D] return the logits [R, V] instead. `table` holds cosines and sines [P, Dr] of positions
        0 .. P - 1 in float32, `slots` [layers, slots, W] is the cache. Raises VL2Error when sizes do not fit.
        """
        self._check(x, table, rows, slots, head)
        states = x.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        sequences = (structs.Rows * len(rows.counts))()
        address, step, first = rows.tables.data_ptr(), rows.tables.stride(0) * rows.tables.element_size(), 0
        for number, (count, start) in enumerate(zip(rows.counts, rows.starts, strict=True)):
            sequences[number] = structs.Rows(first, count, start, address + number * step)
            first += count
        call = structs.Step(
            states.data_ptr(), len(states), len(sequences), sequences, table[0].data_ptr(), table[1].data_ptr(),
            slots.data_ptr(), slots.stride(0) * slots.element_size(), slots.stride(1) * slots.element_size(),
            rows.block_size, slots.shape[1], CACHE_FORMATS[slots.dtype],
            entry_group(self.slot_parts) if slots.dtype == torch.int8 else 0,
        )  # fmt: skip
        out = states
        if head is not None:
            out = torch.empty(len(states), head.shape[0])
            call.head, call.logits = ctypes.pointer(head.struct()), out.data_ptr()
        if not kernels().vl2_language(ctypes.byref(self.shape), ctypes.byref(call)):
            edges = [int(edge) for edge in rows.tables.aminmax()]
            raise VL2Error("block tables", "name blocks outside the cache", got=edges)
        return out

    def _check(
        self, x: Tensor, table: tuple[Tensor, Tensor], rows: Rows, slots: Tensor, head: PackedWeight | None
    ) -> None:
        """Nothing that C++ reads or writes may lie outside its tensor."""
        count, tables = sum(rows.counts), rows.tables
        if x.shape != (count, self.shape.width) or x.device.type != "cpu" or min(rows.counts) < 1:
            raise VL2Error("rows", "do not fit", got=list(x.shape), expected=[count, self.shape.width])
        end = rows.end
        for part in table:
            fits = part.dim() == 2 and len(part) >= end and part.shape[1] == self.rotated
            if not fits or part.dtype != torch.float32 or not part.is_contiguous():
                raise VL2Error("rope table", "does not fit", got=list(part.shape), expected=[end, self.rotated])
        width = entry_bytes(self.slot_width, self.slot_parts, slots.dtype) // slots.element_size()
        fits = slots.dim() == 3 and len(slots) == self.shape.num_layers and slots.shape[2] == width
        if not fits or not slots.is_contiguous() or slots.dtype not in CACHE_FORMATS:
            expected = [self.shape.num_layers, "slots", width]
            raise VL2Error("cache", "does not fit", got=list(slots.shape), expected=expected)
        is_table = tables.dim() == 2 and tables.dtype == torch.int32 and tables.is_contiguous()
        if not is_table or len(tables) != len(rows.counts) or tables.shape[1] * rows.block_size < end:
            expected = [len(rows.counts), -(-end // rows.block_size)]
            raise VL2Error("block tables", "do not fit", got=list(tables.shape), expected=expected)
        if min(rows.starts) < 0:
            raise VL2Error("positions", "start below 0", got=min(rows.starts))
        if head is not None and head.shape[1:] != (self.shape.width,):
            raise VL2Error("head", "does not fit", got=list(head.shape), expected=["vocabulary", self.shape.width])


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
