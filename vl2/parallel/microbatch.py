"""A Batch as tensors of fixed sizes: what a pipeline sends around, and what every process of a group agrees on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from vl2.core.batch import Batch
from vl2.core.errors import ConfigError, ConversationError
from vl2.model import VL2Config
from vl2.model.adaptor import layout


@dataclass(frozen=True, kw_only=True)
class Size:
    """Rows, their length, and the tiles of a microbatch, blank ones included. No tiles: vision stages rest."""

    rows: int
    length: int
    tiles: int


@dataclass(frozen=True, kw_only=True)
class Microbatch:
    """What stages read beside the activations. Visual embeddings are found by place, so that tiles may be blank."""

    input_ids: Tensor  # [B, T]
    positions: Tensor  # [B, T]
    documents: Tensor  # [B, T]
    places: Tensor  # [B, T] row of a visual token among the embeddings of all tiles, -1 at other tokens
    targets: Tensor  # [B, T] what each position should predict, IGNORE_INDEX where nothing is learned
    share: Tensor  # [1] float32: one over the supervised tokens of the whole step
    number: Tensor  # [1] of this microbatch in its step


def names_of_microbatch() -> tuple[str, ...]:
    """Return the arguments that every stage takes."""
    return tuple(field.name for field in fields(Microbatch))


def microbatch_of(
    batch: Batch, targets: Tensor, config: VL2Config, *, num_slots: int, share: float, number: int
) -> tuple[Tensor, Microbatch]:
    """Return tiles [N, 3, S, S], filled up to `num_slots` with blank ones, and the rest.

    Raises ConversationError where visual tokens do not fill their places.
    """
    side, device = config.vision_config.image_size, batch.input_ids.device
    tiles = batch.tiles if batch.tiles is not None else torch.zeros(0, 3, side, side, device=device)
    return F.pad(tiles, (0, 0, 0, 0, 0, 0, 0, num_slots - len(tiles))), Microbatch(
        input_ids=batch.input_ids,
        positions=batch.positions,
        documents=batch.documents,
        places=_places(batch, num_slots, config.tile_side**2),
        targets=targets,
        share=torch.tensor([share], dtype=torch.float32, device=device),
        number=torch.tensor([number], device=device),
    )


def size_of(microbatches: Sequence[tuple[Tensor, Microbatch]]) -> Size:
    """Return the size that all have. Raises ConfigError where they differ."""
    sizes = {
        Size(rows=m.input_ids.shape[0], length=m.input_ids.shape[1], tiles=len(tiles)) for tiles, m in microbatches
    }
    if len(sizes) > 1:
        raise ConfigError("microbatches", "differ in size, which a pipeline cannot have", got=sizes, expected="one")
    return sizes.pop()


def num_tiles(batch: Batch) -> int:
    """Return how many tiles a batch has."""
    return 0 if batch.tiles is None else len(batch.tiles)


def _places(batch: Batch, num_slots: int, tokens_of_tile: int) -> Tensor:
    """Lay out row numbers in place of embeddings: those of all tiles, then tile_newline, then view_separator."""
    places = torch.full_like(batch.input_ids, -1)  # [B, T]
    laid_out = places.new_zeros(0)
    if batch.grids:
        if any(grid.kept_share != 1 for grid in batch.grids):
            raise ConfigError("images", "are pruned, which training in stages cannot do", do="Give whole images.")
        total = num_slots * tokens_of_tile
        rows = torch.arange(num_tiles(batch) * tokens_of_tile, device=places.device).view(-1, tokens_of_tile, 1)
        laid_out = layout(rows, batch.grids, places.new_tensor([total]), places.new_tensor([total + 1]))[:, 0]
    num_places = int(batch.image_mask.sum())
    if num_places != len(laid_out):
        raise ConversationError(
            "images", "visual tokens do not fill their places", got=len(laid_out), expected=num_places
        )
    return places.masked_scatter(batch.image_mask, laid_out)  # [B, T]
