"""Tile exchange: the vision tower on balanced tiles, its features back where they belong, gradients included."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from vl2.data.balance import LevelPlan, gather_back, level, spread
from vl2.parallel.exchange import all_to_all


def embed_balanced(
    tiles: Tensor, embed: Callable[[Tensor], Tensor], group: dist.ProcessGroup | None = None
) -> tuple[Tensor, LevelPlan]:
    """Return `embed` of this rank's tiles [N, 3, S, S], computed by all ranks of `group` in equal shares.

    `embed` sees the same number of tiles on every rank: a rank with one tile less gets a blank one, so that it takes
    part in whatever the ranks do together inside. It is not called when no rank has tiles (`plan.largest` is 0).
    N may be 0; the result [0, ..] must then stay in the graph of the loss, for backward communicates too. As
    `visual_embeds` of the batch it does.
    """
    rank = dist.get_rank(group)
    plan = level(_all_counts(len(tiles), tiles.device, group))

    def communicate(rows: Tensor, sends: Sequence[int], receives: Sequence[int]) -> Tensor:
        return all_to_all(rows, sends, receives, group)

    if not plan.largest:
        return tiles, plan
    share = spread(tiles, plan, rank, communicate)  # [quota, 3, S, S]
    blank = plan.largest - len(share)
    features = embed(F.pad(share, (0, 0, 0, 0, 0, 0, 0, blank)))  # [largest, ..]
    return gather_back(features[: len(share)], plan, rank, communicate), plan


def _all_counts(count: int, device: torch.device, group: dist.ProcessGroup | None) -> list[int]:
    counts = torch.zeros(dist.get_world_size(group), dtype=torch.long, device=device)
    counts[dist.get_rank(group)] = count
    dist.all_reduce(counts, group=group)
    return counts.tolist()
