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
from vl2.weights.empty import empty_model, model_tensors

MODEL, OPTIMIZER = "model.", "optimizer."  # keys: model.NAME and optimizer.KIND.NAME
ON_DEVICE = ("fused", "capturable")  # settings of torch's optimizers that want the number of steps where weights are

Saved = Mapping[str, TensorStorageMetadata]  # what is known of the tensors of a snapshot, by key


class Trained(NamedTuple):
    """A parameter that an optimizer moves."""

    name: str
    parameter: nn.Parameter
    group: dict[str, Any]


def weights_of(model: ParallelModel) -> dict[str, Tensor]:
    """Return this process's part of the weights, not copied."""
    return {f"{MODEL}{name}": parameter.detach() for name, parameter in model.named_parameters()}


def state_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return this process's part of the optimizer's state, not copied. Raises VL2Error on what no snapshot can hold."""
    tensors: dict[str, Tensor] = {}
    for name, parameter, _ in _trained(optimizer):
        if parameter not in optimizer.state:
            continue  # it has had no gradient yet
        for kind, value in optimizer.state[parameter].items():
            is_shard = isinstance(value, DTensor) or not isinstance(parameter, DTensor)
            if not isinstance(value, Tensor) or (value.ndim and not is_shard):
                raise VL2Error(f"{kind} of {name}", "no state that a snapshot can hold", got=type(value).__name__)
            tensors[f"{OPTIMIZER}{kind}.{name}"] = value.detach()
    return tensors


def saved_in(metadata: Metadata) -> Saved:
    """Return what is known of the tensors of a snapshot."""
    found = metadata.state_dict_metadata
    return {key: stored for key, stored in found.items() if isinstance(stored, TensorStorageMetadata)}


def take_empty_state(optimizer: torch.optim.Optimizer, saved: Saved) -> None:
    """Give an optimizer room for the saved state of its parameters, in the types in which it was saved."""
    kinds = _by_name(saved)
    optimizer.state.clear()
    for one in _trained(optimizer):
        if one.name in kinds:
            optimizer.state[one.parameter] = {kind: _room(one, stored) for kind, stored in kinds[one.name].items()}


def _room(one: Trained, stored: TensorStorageMetadata) -> Tensor:
    # torch's own `load_state_dict` would cast moments to the type of the weights
    dtype = stored.properties.dtype
    if stored.size == one.parameter.shape:
        return torch.empty_like(one.parameter, dtype=dtype, requires_grad=False)
    on_device = any(name in one.group and one.group[name] for name in ON_DEVICE)
    return torch.empty(stored.size, dtype=dtype, device=one.parameter.device if on_device else "cpu")


def misfit_of_model(model: ParallelModel, saved: Saved) -> str | None:
    """Tell why saved weights are not those of this model; None when they are."""
    config = next(iter(model.models.values())).config
    whole = {f"{MODEL}{name}" for name, _ in model_tensors(empty_model(config, torch.float32))}
    surplus = [key for key in saved if key.startswith(MODEL) and key not in whole]
    if surplus:
        return f"of another model: it has {surplus[0].removeprefix(MODEL)}"
    for name, parameter in model.named_parameters():
        key = f"{MODEL}{name}"
        if key not in saved:
            return f"of another model: it has no {name}"
        if saved[key].size != parameter.shape:
            return f"of another model: {name} has shape {list(saved[key].size)}, not {list(parameter.shape)}"
    return None


def misfit_of_optimizer(optimizer: torch.optim.Optimizer, saved: Saved) -> str | None:
    """Tell why a saved state is not one of this optimizer; None when it is."""
    kinds = _by_name(saved)
    for one in _trained(optimizer):
        for kind, stored in kinds[one.name].items() if one.name in kinds else ():
            if stored.size not in (one.parameter.shape, torch.Size()):
                return f"of another optimizer: {kind} of {one.name} has shape {list(stored.size)}"
    return None


def _trained(optimizer: torch.optim.Optimizer) -> Iterator[Trained]:
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            yield Trained(name, parameter, group)


def _by_name(saved: Saved) -> dict[str, dict[str, TensorStorageMetadata]]:
    """Return the saved state of each parameter, by its kind."""
    found: dict[str, dict[str, TensorStorageMetadata]] = {}
    for key, stored in saved.items():
        if key.startswith(OPTIMIZER):
            kind, name = key.removeprefix(OPTIMIZER).split(".", 1)
            found.setdefault(name, {})[kind] = stored
    return found
