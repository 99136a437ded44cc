"""Meshes: two views of the same processes, one for what all tokens share and one for the experts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from vl2.parallel.plan import ParallelPlan


@dataclass(frozen=True, kw_only=True)
class Meshes:
    """`dense` has pp, dp_replicate, dp_shard, tp; `sparse` has pp, dp_replicate, expert_shard, ep."""

    dense: DeviceMesh
    sparse: DeviceMesh

    @classmethod
    def of(cls, plan: ParallelPlan, device: torch.device) -> Meshes:
        """Build both over all processes; every process calls this."""
        outer = (plan.pp, plan.dp_replicate)
        dense = (*outer, plan.dp_shard, plan.tp)
        sparse = (*outer, plan.dp_shard * plan.tp // plan.ep, plan.ep)
        return cls(
            dense=init_device_mesh(device.type, dense, mesh_dim_names=("pp", "dp_replicate", "dp_shard", "tp")),
            sparse=init_device_mesh(device.type, sparse, mesh_dim_names=("pp", "dp_replicate", "expert_shard", "ep")),
        )

    @property
    def tp(self) -> DeviceMesh:
        """Return the processes that share each matrix."""
        return self.dense["tp"]

    @property
    def ep(self) -> DeviceMesh:
        """Return the processes that share the experts of a layer."""
        return self.sparse["ep"]

    @property
    def pp(self) -> DeviceMesh:
        """Return the processes of one pipeline."""
        return self.dense["pp"]

    @property
    def data(self) -> DeviceMesh:
        """Return the processes over which dense weights are sharded, and copied where dp_replicate says so."""
        return _with_copies(self.dense, "dp_shard")

    @property
    def expert_data(self) -> DeviceMesh:
        """Return the processes over which the experts of one ep rank are sharded, and copied."""
        return _with_copies(self.sparse, "expert_shard")

    @property
    def data_rank(self) -> int:
        """Return which share of the data this process reads; those of a pipeline and of tp read the same."""
        shards = self.dense["dp_shard"]
        return self.dense["dp_replicate"].get_local_rank() * shards.size() + shards.get_local_rank()

    @property
    def device(self) -> torch.device:
        """Return where this process computes."""
        kind = self.dense.device_type
        return torch.device("cpu") if kind == "cpu" else torch.device(kind, torch.cuda.current_device())


def _with_copies(mesh: DeviceMesh, shard: str) -> DeviceMesh:
    return mesh["dp_replicate", shard] if mesh["dp_replicate"].size() > 1 else mesh[shard]


def largest(numbers: list[int], device: torch.device) -> list[int]:
    """Return the largest of each number over all processes."""
    values = torch.tensor(numbers, device=device)
    dist.all_reduce(values, dist.ReduceOp.MAX)
    return values.tolist()
