"""A whole step of the language model, and all blocks of the vision tower, each in one call."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.kernels.cache_entry import entry_bytes, entry_group
from vl2.kernels.native import structs
from vl2.kernels.native.embeddings import EmbeddingTable
from vl2.kernels.native.library import kernels
from vl2.kernels.native.packed import BFLOAT16, FLOAT32, INT8, PackedWeight

MOST_ROTATED = 256  # language.h, MOST_DIM
CACHE_FORMATS = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16, torch.int8: INT8}


@dataclass(frozen=True)
class Rows:
    """The rows of a step, sequence by sequence."""

    counts: Sequence[int]  # of tokens, by sequence
    starts: Sequence[int]  # the position of each sequence's first row
    tables: Sequence[Sequence[int]]  # the blocks of each, in the order of its positions

    @property
    def end(self) -> int:
        """Return one more than the largest position."""
        return max(start + count for start, count in zip(self.starts, self.counts, strict=True))


@dataclass(frozen=True)
class Rope:
    """Cosines and sines of positions 0 .. length - 1, once they are known to fit: `LanguageStack.rope`."""

    length: int
    addresses: tuple[int, int]
    kept: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Room:
    """The slots of a cache, once they are known to fit: `LanguageStack.room`. One serves all steps."""

    block_size: int
    fields: tuple[int, ...]  # of structs.Step
    kept: Tensor


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

    def rope(self, cos: Tensor, sin: Tensor) -> Rope:
        """Take cosines and sines [P, Dr] of positions 0 .. P - 1 in float32. Raises VL2Error when they do not fit."""
        for part in (cos, sin):
            fits = part.shape == (len(cos), self.rotated) and part.device.type == "cpu"
            if not fits or part.dtype != torch.float32 or not part.is_contiguous():
                raise VL2Error("rope table", "does not fit", got=list(part.shape), expected=[len(cos), self.rotated])
        return Rope(len(cos), (cos.data_ptr(), sin.data_ptr()), (cos, sin))

    def room(self, slots: Tensor, block_size: int) -> Room:
        """Take the slots [layers, slots, W] of a cache, in blocks. Raises VL2Error when they do not fit."""
        size = slots.element_size()
        width = entry_bytes(self.slot_width, self.slot_parts, slots.dtype) // size
        fits = slots.dim() == 3 and len(slots) == self.shape.num_layers and slots.shape[2] == width
        if not fits or not slots.is_contiguous() or slots.dtype not in CACHE_FORMATS or slots.device.type != "cpu":
            expected = [self.shape.num_layers, "slots", width]
            raise VL2Error("cache", "does not fit", got=list(slots.shape), expected=expected)
        if block_size < 1:
            raise VL2Error("block size", "must be positive", got=block_size)
        group = entry_group(self.slot_parts) if slots.dtype == torch.int8 else 0
        fields = (
            slots.data_ptr(), slots.stride(0) * size, slots.stride(1) * size, block_size, slots.shape[1],
            CACHE_FORMATS[slots.dtype], group,
        )  # fmt: skip
        return Room(block_size, fields, slots)

    def run(self, x: Tensor, rope: Rope, rows: Rows, room: Room) -> Tensor:
        """Return the states [R, D] behind the last norm for embeddings x [R, D], and write the cache.

        Raises VL2Error when sizes do not fit.
        """
        if x.shape != (sum(rows.counts), self.shape.width) or x.device.type != "cpu":
            raise VL2Error("rows", "do not fit", got=list(x.shape), expected=[sum(rows.counts), self.shape.width])
        states = x.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        self._call(self._step(states, rope, rows, room), rows)
        return states

    def logits(
        self, ids: Sequence[int], embeddings: EmbeddingTable, rope: Rope, rows: Rows, room: Room, head: PackedWeight,
    ) -> Tensor:  # fmt: skip
        """Return the logits [R, V] of a `head` [V, D] behind rows that are given as token ids; otherwise like `run`."""
        count, vocab_size, width = len(ids), embeddings.shape[0], self.shape.width
        if count != sum(rows.counts) or embeddings.shape[1] != width or head.shape[1:] != (width,):
            got, expected = [count, embeddings.shape[1], *head.shape[1:]], [sum(rows.counts), width, width]
            raise VL2Error("rows, embeddings and head", "do not fit", got=got, expected=expected)
        if not 0 <= min(ids) <= max(ids) < vocab_size:
            raise VL2Error("token ids", "are outside the vocabulary", got=[min(ids), max(ids)], expected=vocab_size)
        states, out = torch.empty(count, width), torch.empty(count, head.shape[0])
        step = self._step(states, rope, rows, room)
        step.ids, step.embeddings = (ctypes.c_int64 * count)(*ids), ctypes.pointer(embeddings.struct)
        step.head, step.logits = ctypes.pointer(head.struct()), out.data_ptr()
        self._call(step, rows)
        return out

    def _step(self, states: Tensor, rope: Rope, rows: Rows, room: Room) -> structs.Step:
        """Nothing that C++ reads or writes may lie outside its tensor; it looks at the blocks' numbers itself."""
        if not len(rows.counts) == len(rows.starts) == len(rows.tables):
            got = [len(rows.counts), len(rows.starts), len(rows.tables)]
            raise VL2Error("counts, starts and block tables", "are not of the same sequences", got=got)
        if min(rows.counts) < 1:
            raise VL2Error("rows", "are missing", got=list(rows.counts), expected="one or more of each sequence")
        if min(rows.starts) < 0:
            raise VL2Error("positions", "start below 0", got=min(rows.starts))
        if rows.end > rope.length:
            raise VL2Error("rope table", "is too short", got=rope.length, expected=rows.end)
        sequences, first = (structs.Rows * len(rows.counts))(), 0
        for number, (count, start, table) in enumerate(zip(rows.counts, rows.starts, rows.tables, strict=True)):
            needed = -(-(start + count) // room.block_size)
            if len(table) < needed:
                raise VL2Error("block tables", "do not fit", got=len(table), expected=needed)
            blocks = array("i", table[:needed])  # refuses numbers that ctypes would cut to 32 bits
            sequences[number] = structs.Rows(first, count, start, (ctypes.c_int32 * needed).from_buffer(blocks))
            first += count
        return structs.Step(
            states.data_ptr(), None, None, len(states), len(sequences), sequences, *rope.addresses, *room.fields
        )

    def _call(self, step: structs.Step, rows: Rows) -> None:
        if not kernels().vl2_language(ctypes.byref(self.shape), ctypes.byref(step)):
            edges = [edge(map(edge, rows.tables)) for edge in (min, max)]
            raise VL2Error("block tables", "name blocks outside the cache", got=edges)


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
