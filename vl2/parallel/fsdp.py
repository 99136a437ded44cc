"""Fully sharded data parallelism (FSDP2), copied over dp_replicate: a unit for each block, layer, layer's experts."""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard

from vl2.model import VL2
from vl2.model.language import Layer
from vl2.model.moe import MoE
from vl2.model.vision import VisionBlock
from vl2.parallel.mesh import Meshes
from vl2.parallel.plan import ParallelPlan


def shard(model: VL2, meshes: Meshes, plan: ParallelPlan, *, reshards: bool) -> None:
    """Shard the weights of a model, or of what a stage has of it. Gradients are summed, never averaged.

    Losses are parts of one mean over the supervised tokens of all processes, so their gradients add up. The experts
    then need no factor of their own: tokens of all processes have found them already.
    """
    precision = MixedPrecisionPolicy(cast_forward_inputs=False)
    if plan.precision == "bfloat16":
        precision = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False
        )

    def wrap(module: nn.Module | list[nn.Module], mesh: DeviceMesh = meshes.data) -> None:
        fully_shard(module, mesh=mesh, reshard_after_forward=reshards, mp_policy=precision)

    for module in [*model.vision.blocks, *model.language.layers]:
        if not isinstance(module, VisionBlock | Layer):
            continue
        if isinstance(module, Layer) and isinstance(module.mlp, MoE):
            _shard_moe(module.mlp, meshes, plan, precision, reshards=reshards)
        wrap(module)
    language = model.language
    if isinstance(language.embedding, nn.Embedding):
        wrap(language.embedding)
    if isinstance(language.head, nn.Linear):
        wrap([language.norm, language.head])
    wrap(model)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no sum with a factor


def _shard_moe(
    moe: MoE, meshes: Meshes, plan: ParallelPlan, precision: MixedPrecisionPolicy, *, reshards: bool
) -> None:
    if plan.precision == "bfloat16":
        # the router's weight and bias stay float32: ties flip in bf16, and the bias moves by thousandths
        fully_shard(
            moe.router, mesh=meshes.data, reshard_after_forward=reshards,
            mp_policy=MixedPrecisionPolicy(cast_forward_inputs=False),
        )  # fmt: skip
    if not has_own_experts(plan):
        return
    mesh = meshes.expert_data
    fully_shard(
        moe.routed_experts, mesh=mesh, reshard_after_forward=reshards, mp_policy=precision,
        shard_placement_fn=lambda weight: Shard(_cut(weight, mesh.size(mesh.ndim - 1))),
    )  # fmt: skip


def has_own_experts(plan: ParallelPlan) -> bool:
    """Tell whether experts are shared out apart from the rest: over ep, and over tp, whose tokens are the same."""
    return plan.ep > 1 or plan.tp > 1


def _cut(weight: nn.Parameter, num_shards: int) -> int:
    """Return the dimension to shard: whole experts where they come out even, else their rows."""
    own = weight.to_local() if isinstance(weight, DTensor) else weight
    return 1 if own.shape[0] % num_shards and not own.shape[1] % num_shards else 0
