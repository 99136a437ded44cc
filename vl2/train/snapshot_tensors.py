"""The tensors of a snapshot: weights and optimizer state, by the names of parameters in the whole model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.tensor import DTensor

from vl2.core.errors import VL2Error
from vl2.parallel.apply import ParallelModel

MODEL, OPTIMIZER = "model.", "optimizer."  # keys: model.NAME and optimizer.KIND.NAME
ON_DEVICE = ("fused", "capturable")  # settings of torch's optimizers that want the number of steps where weights are


class Trained(NamedTuple):
    """A parameter that an optimizer moves."""

    name: str
    parameter: nn.Parameter
    group: dict[str, Any]


def tensors_of(model: ParallelModel, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return this process's part of a snapshot, not copied. Raises VL2Error on a state that has no place in it."""
    tensors: dict[str, Tensor] = {f"{MODEL}{name}": p.detach() for name, p in model.named_parameters()}
    for name, parameter, _ in trained(optimizer):
        if parameter not in optimizer.state:
            continue  # it has had no gradient yet
        for kind, value in optimizer.state[parameter].items():
            is_shard = isinstance(value, DTensor) or not isinstance(parameter, DTensor)
            if not isinstance(value, Tensor) or (value.ndim and not is_shard):
                raise VL2Error(f"{kind} of {name}", "no state that a snapshot can hold", got=type(value).__name__)
            tensors[f"{OPTIMIZER}{kind}.{name}"] = value.detach()
    return tensors


def trained(optimizer: torch.optim.Optimizer) -> Iterator[Trained]:
    """Yield what an optimizer moves, by the names of its groups."""
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            yield Trained(name, parameter, group)


def empty_state(
    optimizer: torch.optim.Optimizer, saved: Mapping[str, TensorStorageMetadata]
) -> dict[nn.Parameter, dict[str, Tensor]]:
    """Return room for the saved state of each parameter, in the types in which it was saved."""
    kinds = _by_name(saved)
    return {
        one.parameter: {kind: _room(one, stored) for kind, stored in kinds[one.name].items()}
        for one in trained(optimizer)
        if one.name in kinds
    }


def _room(one: Trained, stored: TensorStorageMetadata) -> Tensor:
    dtype = stored.properties.dtype
    if stored.size == one.parameter.shape:
        return torch.empty_like(one.parameter, dtype=dtype, requires_grad=False)
    on_device = any(name in one.group and one.group[name] for name in ON_DEVICE)
    return torch.empty(stored.size, dtype=dtype, device=one.parameter.device if on_device else "cpu")


def complaint(
    model: ParallelModel, optimizer: torch.optim.Optimizer, saved: Mapping[str, TensorStorageMetadata]
) -> str | None:
    """Tell why saved tensors do not fit what this process has of the model; None when they do."""
    for name, parameter in model.named_parameters():
        key = f"{MODEL}{name}"
        if key not in saved:
            return f"of another model: it has no {name}"
        if saved[key].size != parameter.shape:
            return f"of another model: {name} has shape {list(saved[key].size)}, not {list(parameter.shape)}"
    kinds = _by_name(saved)
    for one in trained(optimizer):
        for kind, stored in kinds[one.name].items() if one.name in kinds else ():
            if stored.size not in (one.parameter.shape, torch.Size()):
                return f"of another optimizer: {kind} of {one.name} has shape {list(stored.size)}"
    return None


def stored_tensors(metadata: Metadata) -> dict[str, TensorStorageMetadata]:
    """Return what is known of the tensors of a snapshot, by key."""
    found = metadata.state_dict_metadata
    return {key: stored for key, stored in found.items() if isinstance(stored, TensorStorageMetadata)}


def _by_name(saved: Mapping[str, TensorStorageMetadata]) -> dict[str, dict[str, TensorStorageMetadata]]:
    """Return the saved state of each parameter, by its kind."""
    found: dict[str, dict[str, TensorStorageMetadata]] = {}
    for key, stored in saved.items():
        if key.startswith(OPTIMIZER):
            kind, name = key.removeprefix(OPTIMIZER).split(".", 1)
            found.setdefault(name, {})[kind] = stored
    return found
