"""ModelInput and Batch: what the model reads. CacheView: what it may keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from vl2.core.tiles import TileGrid

IGNORE_INDEX = -100  # a label that takes no part in the loss
PADDING = 0  # the document number of padding


@dataclass(frozen=True)
class ModelInput:
    """One sample as tensors; tiles are ordered image by image, thumbnail first, then local tiles row by row."""

    input_ids: Tensor  # [T] int64
    labels: Tensor  # [T] int64, IGNORE_INDEX where no loss is taken; not shifted
    image_mask: Tensor  # [T] bool, True at the places of visual tokens
    tiles: Tensor  # [N, 3, S, S] float32, normalised
    grids: tuple[TileGrid, ...]


@dataclass(frozen=True)
class Batch:
    """Rows of documents. Attention never crosses a document; position 0 starts each."""

    input_ids: Tensor  # [B, T]
    positions: Tensor  # [B, T]
    documents: Tensor  # [B, T] 1, 2, .. for the documents of a row, PADDING elsewhere
    image_mask: Tensor  # [B, T]
    tiles: Tensor | None  # [N, 3, S, S]
    grids: tuple[TileGrid, ...] = ()
    labels: Tensor | None = None  # [B, T]
    visual_embeds: Tensor | None = None  # [image_mask.sum(), D]: given when images were encoded before

    @classmethod
    def from_inputs(cls, rows: Sequence[Sequence[ModelInput]], pad_id: int, length_step: int = 1) -> Batch:
        """Collate rows; a row of several inputs is packed, shorter rows are padded on the right.

        All have the length of the longest, rounded up to a multiple of `length_step`.
        """
        length = max(sum(len(item.input_ids) for item in row) for row in rows)
        length += -length % length_step
        flat = [item for row in rows for item in row]
        tiles = [item.tiles for item in flat if len(item.tiles)]

        def stack(pieces: Sequence[Sequence[Tensor]], fill: int) -> Tensor:
            out = torch.full((len(rows), length), fill, dtype=pieces[0][0].dtype)
            for target, row in zip(out, pieces, strict=True):
                joined = torch.cat(list(row))
                target[: len(joined)] = joined
            return out

        return cls(
            input_ids=stack([[item.input_ids for item in row] for row in rows], pad_id),
            positions=stack([[torch.arange(len(item.input_ids)) for item in row] for row in rows], 0),
            documents=stack([[torch.full_like(m.input_ids, i + 1) for i, m in enumerate(r)] for r in rows], PADDING),
            image_mask=stack([[item.image_mask for item in row] for row in rows], False),
            tiles=torch.cat(tiles) if tiles else None,
            grids=tuple(grid for item in flat for grid in item.grids),
            labels=stack([[item.labels for item in row] for row in rows], IGNORE_INDEX),
        )

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with every tensor on `device`."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **moved)


class CacheView(Protocol):
    """Entries of earlier tokens. One entry a token and layer: latent and rope key, or keys and values."""

    def num_slots(self, positions: Tensor) -> int:
        """Return how many slots `append` returns for these positions."""
        ...

    def append(self, layer: int, entries: Tensor, positions: Tensor) -> Tensor:
        """Store `entries` [B, T, W] at `positions` [B, T] and return all slots [B, S, W], slot s holding position s."""
        ...


@runtime_checkable
class PagedSlots(Protocol):
    """The same entries as kernels that read block tables see them."""

    @property
    def slots(self) -> Tensor:
        """Return all slots [layers, slots, W]."""
        ...

    @property
    def tables(self) -> Tensor:
        """Return the blocks of each row [B, blocks] int32, in the order of its positions."""
        ...

    @property
    def block_size(self) -> int:
        """Return the slots of a block."""
        ...
