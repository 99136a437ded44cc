"""Tiles of all data-parallel processes, levelled before the vision tower (paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.distributed as dist
from torch import Tensor

from vl2.parallel.apply import ParallelModel
from vl2.parallel.stage import Stage
from vl2.train.tile_exchange import embed_balanced


def level_tiles(model: ParallelModel) -> None:
    """Let every data-parallel process encode equally many tiles of a microbatch, give or take one.

    Not in a pipeline: its stages take turns at tiles of one number already. Every process calls this.
    """
    if model.plan.pp > 1 or model.plan.data_parallel == 1:
        return
    (stage,) = (one.forward for one in model.models.values())
    assert isinstance(stage, Stage)
    stage.encode = partial(_levelled, stage.encode, _data_group(model))


def _levelled(encode: Callable[[Tensor], Tensor], group: dist.ProcessGroup | None, tiles: Tensor) -> Tensor:
    return embed_balanced(tiles, encode, group)[0]


def _data_group(model: ParallelModel) -> dist.ProcessGroup | None:
    """Return the processes that read other data and hold the same share of tp; None where those are all."""
    if model.plan.tp == 1:
        return None
    by_share = model.meshes.dense.mesh.flatten(0, 2).T.tolist()  # [tp, dp] ranks
    groups = [dist.new_group(ranks) for ranks in by_share]  # everybody forms all of them
    own = groups[model.meshes.tp.get_local_rank()]
    assert isinstance(own, dist.ProcessGroup)
    return own
