"""The norm of gradients that lie on several meshes, and clipping by it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from vl2.parallel.mesh import Meshes


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float, meshes: Meshes) -> Tensor:
    """Scale all gradients so that their joint norm is at most `max_norm`; returns the norm before.

    Every process calls this with its own parameters. PyTorch's own function takes one mesh at a time.
    """
    by_mesh: dict[DeviceMesh | None, list[nn.Parameter]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            mesh = parameter.grad.device_mesh if isinstance(parameter.grad, DTensor) else None
            by_mesh.setdefault(mesh, []).append(parameter)
    squares = torch.zeros((), device=meshes.device)
    for group in by_mesh.values():
        norm = torch.nn.utils.get_total_norm([p.grad for p in group if p.grad is not None])
        squares = squares + (norm.full_tensor() if isinstance(norm, DTensor) else norm).square()
    if meshes.pp.size() > 1:
        dist.all_reduce(squares, group=meshes.pp.get_group())
    total = squares.sqrt()
    for group in by_mesh.values():
        torch.nn.utils.clip_grads_with_norm_(group, max_norm, total)
    return total
