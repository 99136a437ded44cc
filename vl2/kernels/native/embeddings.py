"""The table of embeddings, as the C++ kernels read it: as it is stored."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vl2.kernels.native import structs
from vl2.kernels.native.packed import BFLOAT16, FLOAT32, INT4, INT8
from vl2.kernels.quantized_linear import QuantizedEmbedding


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """The rows of a table [V, D] (embeddings.h)."""

    struct: structs.Table
    shape: tuple[int, int]
    kept: tuple[Tensor, ...]  # what the structure points to

    @classmethod
    def of(cls, embedding: nn.Embedding | QuantizedEmbedding) -> EmbeddingTable:
        """Read an embedding's own memory, as long as this object lives."""
        if isinstance(embedding, QuantizedEmbedding):
            weight = embedding.weight
            codes, scales = weight.codes.contiguous(), weight.scales.contiguous()
            kind, is_rounded = INT8 if weight.bits == 8 else INT4, embedding.dtype == torch.bfloat16
            table = structs.Table(
                kind, weight.group, is_rounded, weight.width, codes.shape[1], codes.data_ptr(), scales.data_ptr()
            )
            return cls(table, (len(codes), weight.width), (codes, scales))
        floats = embedding.weight.detach().contiguous()
        if floats.dtype != torch.bfloat16:
            floats = floats.float()
        kind = BFLOAT16 if floats.dtype == torch.bfloat16 else FLOAT32
        rows, width = floats.shape
        table = structs.Table(kind, 0, False, width, width * floats.element_size(), floats.data_ptr(), None)
        return cls(table, (rows, width), (floats,))
