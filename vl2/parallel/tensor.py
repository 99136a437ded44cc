"""Tensor parallelism: attention heads, MLPs, shared experts and vocabulary over the processes of one mesh."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, ParallelStyle, RowwiseParallel, parallelize_module

from vl2.model import VL2
from vl2.model.attention import MHA, MLA
from vl2.model.moe import MLP
from vl2.model.vision import VisionBlock

# Matrices by name in their module: first those that are cut by output, then the one that adds the parts up again.
_STYLES: dict[type[nn.Module], tuple[tuple[str, ...], tuple[str, ...]]] = {
    MHA: (("query", "key", "value"), ("output",)),
    MLA: (("query", "query_up", "latent_up"), ("output",)),
    MLP: (("gate", "up"), ("down",)),
    # The attention of the vision tower stays whole: its query, key and value are one matrix.
    VisionBlock: (("mlp.up",), ("mlp.down",)),
}


def share_matrices(model: VL2, tp: DeviceMesh) -> None:
    """Cut the matrices of a model, or of what a stage has of it; what lies between them stays whole everywhere."""
    for module in model.modules():
        plan = _plan(module)
        if plan:
            parallelize_module(module, tp, plan)
        if isinstance(module, MHA | MLA):
            module.heads //= tp.size()
        if isinstance(module, MLA):
            module.latent_down.register_forward_hook(_SumRopeKey(module.rank, tp))
    language = model.language
    if isinstance(language.embedding, nn.Embedding):
        parallelize_module(language.embedding, tp, RowwiseParallel(input_layouts=Replicate()))
    if isinstance(language.head, nn.Linear):
        parallelize_module(language.head, tp, ColwiseParallel(output_layouts=Replicate()))


def _plan(module: nn.Module) -> dict[str, ParallelStyle]:
    if type(module) not in _STYLES:
        return {}
    present = {name for name, _ in module.named_modules()}
    by_output, by_input = _STYLES[type(module)]
    plan: dict[str, ParallelStyle] = {name: ColwiseParallel() for name in by_output if name in present}
    return plan | {name: RowwiseParallel() for name in by_input}


class _SumRopeKey:
    """All heads read the one rope key, so each process has a part of its gradient; latents are summed by latent_up."""

    def __init__(self, rank: int, tp: DeviceMesh) -> None:
        self.rank, self.tp = rank, tp

    def __call__(self, module: nn.Module, args: Any, out: Tensor) -> Tensor:
        latent, rope_key = out.tensor_split((self.rank,), dim=-1)
        shared = DTensor.from_local(rope_key, self.tp, [Replicate()], run_check=False)
        return torch.cat((latent, shared.to_local(grad_placements=[Partial()])), dim=-1)  # [B, T, R+Dr]
