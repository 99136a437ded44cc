"""Decoder: the short way through a step of one token a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from vl2.engine.cache import PagedCache
from vl2.engine.graphs import CudaCapture, DecodeGraphs
from vl2.engine.scheduler import Chunk
from vl2.kernels.native.layers import Room
from vl2.model import VL2
from vl2.weights.pack import PackedLanguage


class Decoder(Protocol):
    """What computes steps of one token a sequence with less work of the host than a forward pass."""

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the logits [n, V] behind chunks of one token each, and leave their entries in the cache."""
        ...


@dataclass(frozen=True)
class PackedDecoder:
    """From token ids to logits in one call of the native kernels."""

    language: PackedLanguage
    cache: PagedCache

    @cached_property
    def room(self) -> Room:
        """Return the cache as the kernels see it."""
        return self.language.stack.room(self.cache.slots, self.cache.block_size)

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the logits [n, V]."""
        starts = [chunk.start for chunk in chunks]
        tables = [chunk.sequence.blocks for chunk in chunks]
        return self.language.decode([chunk.sequence.tokens[chunk.start] for chunk in chunks], starts, tables, self.room)


def find_decoder(model: VL2, cache: PagedCache) -> Decoder | None:
    """Return graphs for a model on CUDA whose kernels never wait for the host; None where a forward pass is all."""
    if isinstance(model.language, PackedLanguage):
        return PackedDecoder(model.language, cache)
    can_capture = cache.slots.device.type == "cuda" and model.backends.is_capturable
    return DecodeGraphs(model, cache, CudaCapture()) if can_capture else None
