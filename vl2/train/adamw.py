"""AdamW for a stage: torch's own, or one that keeps its moments in bfloat16, as the paper trains Base (Table 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from vl2.train.paper import PaperRow


def adamw(groups: Iterable[dict[str, Any]], row: PaperRow, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimizer of a stage over the groups of `parameter_groups`.

    There may be none: a process of a pipeline may hold nothing but what stands still.
    """
    groups = list(groups) or [{"params": [], "names": [], "rate_factor": 1.0}]
    if row.has_bf16_states:
        return AdamW16(groups, betas=row.betas, eps=row.eps)
    # fused: one pass over memory where a loop of operations makes ten, a third of a step on a CPU
    is_fused = device.type in ("cuda", "cpu")
    return torch.optim.AdamW(by_mesh(groups), betas=row.betas, eps=row.eps, foreach=False, fused=is_fused)


def by_mesh(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return groups whose parameters lie on one mesh each, which fused optimizers ask for."""
    found: dict[Any, dict[str, Any]] = {}
    for number, group in enumerate(groups):
        if not group["params"]:
            found[number] = group
        for name, parameter in zip(group["names"], group["params"], strict=True):
            mesh = parameter.device_mesh if isinstance(parameter, DTensor) else None
            part = found.setdefault((number, mesh), {**group, "params": [], "names": []})
            part["params"].append(parameter)
            part["names"].append(name)
    return list(found.values())


class AdamW16(torch.optim.Optimizer):
    """AdamW with moments in bfloat16. They are float32 while a step is computed; weights and gradients always are."""

    def __init__(self, groups: Iterable[dict[str, Any]], *, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, {"betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            for kind in ("exp_avg", "exp_avg_sq"):
                state[kind] = torch.zeros_like(parameter, dtype=torch.bfloat16)
        state["step"] += 1
        number, (beta1, beta2) = float(state["step"]), group["betas"]
        weight, gradient = _local(parameter), _local(parameter.grad)
        stored_mean, stored_square = _local(state["exp_avg"]), _local(state["exp_avg_sq"])
        mean = stored_mean.float().lerp_(gradient, 1 - beta1)
        square = stored_square.float().mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        stored_mean.copy_(mean)
        stored_square.copy_(square)
        scale = square.div_(1 - beta2**number).sqrt_().add_(group["eps"])
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.addcdiv_(mean, scale, value=-group["lr"] / (1 - beta1**number))


def _local(tensor: Tensor | None) -> Tensor:
    """Return this process's part, which shares memory with the whole."""
    assert tensor is not None  # only what has a gradient moves
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
