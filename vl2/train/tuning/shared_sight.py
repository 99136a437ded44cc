"""Rows about the same pictures as one batch, each picture seen once: answers that are compared share their prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from vl2.core.batch import Batch, ModelInput
from vl2.model import VL2


def batch_of(model: VL2, rows: Sequence[ModelInput], pad_id: int) -> Batch:
    """Return padded rows on the model's device with their visual tokens; rows that hold the same tiles share them."""
    device = model.tile_newline.device
    texts = [replace(row, tiles=row.tiles[:0], grids=()) for row in rows]
    batch = Batch.from_inputs([[text] for text in texts], pad_id).to(device)
    shown = {id(row.tiles): row for row in rows if len(row.tiles)}
    if not shown:
        return batch
    tiles = torch.cat([row.tiles for row in shown.values()]).to(device)  # [N, 3, S, S]
    visual = model.encode_tiles(tiles, [grid for row in shown.values() for grid in row.grids])  # [M, D]
    counts = [int(row.image_mask.sum()) for row in shown.values()]
    parts = dict(zip(shown, visual.split(counts), strict=True))
    return replace(batch, visual_embeds=torch.cat([parts[id(row.tiles)] for row in rows if len(row.tiles)]))


def blind(batch: Batch) -> Batch:
    """Return a batch without its visual tokens: what may be kept when its gradients are known."""
    return replace(batch, visual_embeds=None)
