"""What a step counts, over all data-parallel processes: tokens, tiles, and how evenly experts were chosen."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from vl2.core.batch import PADDING, Batch
from vl2.core.errors import VL2Error
from vl2.model.moe import Routing
from vl2.parallel.apply import ParallelModel
from vl2.parallel.stage import Watch
from vl2.train.expert_bias import ExpertBalance
from vl2.train.objective import count_supervised


@dataclass(frozen=True, kw_only=True)
class StepCounts:
    """The size of a step. Padding is no token."""

    supervised: int
    tokens: int
    tiles: int
    keys: float  # that a token attends to, itself included, on average

    @classmethod
    def of(cls, batches: Sequence[Batch], model: ParallelModel) -> StepCounts:
        """Add up the microbatches of all processes. Every process calls this."""
        own = torch.zeros(4, dtype=torch.long)
        for batch in batches:
            is_token = batch.documents != PADDING  # [B, T]
            tiles = 0 if batch.tiles is None else len(batch.tiles)
            keys = int((batch.positions + 1)[is_token].sum())
            own += torch.tensor([count_supervised(batch), int(is_token.sum()), tiles, keys])
        total = sum_over_data(own.to(model.meshes.device), model)
        supervised, tokens, tiles, keys = total.tolist()
        return cls(supervised=supervised, tokens=tokens, tiles=tiles, keys=keys / max(1, tokens))


class StepWatch:
    """Looks at a step while it is computed."""

    def __init__(self, balance: ExpertBalance, batches: Sequence[Batch]) -> None:
        self._balance, self._batches = balance, batches
        self._balance_losses: list[Tensor] = []  # times supervised tokens, by microbatch

    @property
    def watch(self) -> Watch:
        """Return what a parallel model tells."""
        return Watch(routing=self._route, learned=self._learn)

    def balance_loss(self, model: ParallelModel, num_tokens: int) -> float:
        """Return the balance loss of all layers, a mean over supervised tokens. Every process calls this."""
        own = torch.stack(self._balance_losses).sum() if self._balance_losses else torch.zeros(())
        total = own.to(model.meshes.device, torch.float32).reshape(())
        if model.plan.pp > 1:
            dist.all_reduce(total, group=model.meshes.pp.get_group())  # only the last stage knows it
        return float(sum_over_data(total, model)) / num_tokens

    def _route(self, routing: Mapping[int, Routing], microbatch: int) -> None:
        documents = self._batches[microbatch].documents  # [B, T]
        self._balance.collect(routing, microbatch=microbatch, counts=documents != PADDING)

    def _learn(self, logits: Tensor, targets: Tensor, text: Tensor, balance: Tensor) -> None:
        self._balance_losses.append(len(targets) * balance.sum())


def check_samples(ids: object, model: ParallelModel) -> None:
    """Raise VL2Error, in every process, where those of tp or of a pipeline have read other samples. All call this.

    They read the same data each for itself. One that cannot read what its peers can would leave a sample out and go on
    with others, and no loss would tell.
    """
    if model.plan.tp * model.plan.pp == 1:
        return
    own = torch.tensor([model.meshes.data_rank, zlib.crc32(repr(ids).encode())], device=model.meshes.device)
    found = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(found, own)
    read = {tuple(pair.tolist()) for pair in found}
    if len(read) > len({rank for rank, _ in read}):
        raise VL2Error(
            "data", "processes that share their data have read different samples", got=ids,
            do="Look for a disk that fails or memory that runs out on one machine, then go on from the last snapshot.",
        )  # fmt: skip


def sum_over_data(values: Tensor, model: ParallelModel) -> Tensor:
    """Return the sum over the processes that read other data; those of tp and of a pipeline have the same."""
    for name in ("dp_replicate", "dp_shard"):
        mesh = model.meshes.dense[name]
        if mesh.size() > 1:
            dist.all_reduce(values, group=mesh.get_group())
    return values
