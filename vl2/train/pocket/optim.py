"""Muon for hidden matrices, AdamW for the rest, over float32 master weights of the model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vl2.train.paper import ADAM_BETAS, ADAM_EPS

MUON_MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a quintic that drives singular values towards 1 (Jordan, 2024)
NEWTON_SCHULZ_STEPS = 5
ADAM_NAMES = ("embedding", "head", "router", "pos_embed", "patch_embed")  # tables and gates, not hidden matrices


def is_muon(name: str, parameter: Tensor) -> bool:
    """Tell whether a parameter is a hidden matrix or a stack of them."""
    return parameter.ndim >= 2 and not any(part in name for part in ADAM_NAMES)


class Optimizer:
    """Hold master weights and moments by name; the model holds the copy it computes with."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], muon_lr: float, adam_lr: float, weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        self.parameters = dict(parameters)
        self.muon_lr, self.adam_lr, self.weight_decay = muon_lr, adam_lr, weight_decay
        self.dtype = dtype  # of Muon's products: the same in all processes of a run
        self.master = {name: p.detach().float().clone() for name, p in self.parameters.items()}
        self.first = {name: torch.zeros_like(m) for name, m in self.master.items()}
        self.second = {n: torch.zeros_like(m) for n, m in self.master.items() if not is_muon(n, m)}
        self.num_steps = 0

    def gradients(self) -> Tensor:
        """Return all gradients as one flat float32 tensor and clear them; a parameter without one counts zero."""
        flat = torch.cat(
            [torch.zeros(p.numel()) if p.grad is None else p.grad.float().flatten() for p in self.parameters.values()]
        )
        for parameter in self.parameters.values():
            parameter.grad = None
        return flat

    @torch.no_grad()
    def step(self, gradients: Tensor, lr_scale: float) -> None:
        """Move the master weights by flat gradients and copy them into the model."""
        self.num_steps += 1
        pieces = gradients.split([p.numel() for p in self.parameters.values()])
        shaped = {n: g.view_as(self.master[n]) for n, g in zip(self.parameters, pieces, strict=True)}
        self._adam({n: g for n, g in shaped.items() if n in self.second}, self.adam_lr * lr_scale)
        self._muon({n: g for n, g in shaped.items() if n not in self.second}, self.muon_lr * lr_scale)
        for name, parameter in self.parameters.items():
            parameter.copy_(self.master[name])

    @torch.no_grad()
    def take_weights(self) -> None:
        """Make the model's present weights the master weights."""
        for name, parameter in self.parameters.items():
            self.master[name].copy_(parameter)

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that a resume needs."""
        groups = {"master": self.master, "first": self.first, "second": self.second}
        return {f"{group}.{name}": tensor for group, tensors in groups.items() for name, tensor in tensors.items()}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor], num_steps: int) -> None:
        """Take up `state()` again, and bring the master weights into the model."""
        for key, tensor in self.state().items():
            tensor.copy_(state[key])
        for name, parameter in self.parameters.items():
            parameter.copy_(self.master[name])
        self.num_steps = num_steps

    def _adam(self, gradients: Mapping[str, Tensor], lr: float) -> None:
        beta1, beta2 = ADAM_BETAS
        for name, gradient in gradients.items():
            first, second = self.first[name], self.second[name]
            first.lerp_(gradient, 1 - beta1)
            second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            unbiased = second / (1 - beta2**self.num_steps)
            update = (first / (1 - beta1**self.num_steps)) / (unbiased.sqrt() + ADAM_EPS)
            self.master[name].mul_(1 - lr * self.weight_decay * (gradient.ndim > 1)).sub_(update, alpha=lr)

    def _muon(self, gradients: Mapping[str, Tensor], lr: float) -> None:
        by_shape: dict[tuple[int, ...], list[str]] = {}
        for name in gradients:
            by_shape.setdefault(tuple(gradients[name].shape[-2:]), []).append(name)
        for shape, names in by_shape.items():
            stacks = []
            for name in names:
                momentum = self.first[name].lerp_(gradients[name], 1 - MUON_MOMENTUM)
                stacks.append(gradients[name].lerp(momentum, MUON_MOMENTUM).reshape(-1, *shape))
            updates = orthogonalize(torch.cat(stacks), self.dtype).split([len(stack) for stack in stacks])
            scale = lr * max(1.0, shape[0] / shape[1]) ** 0.5
            for name, update in zip(names, updates, strict=True):
                master = self.master[name]
                master.mul_(1 - lr * self.weight_decay).sub_(update.view_as(master), alpha=scale)


def orthogonalize(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the nearest semi-orthogonal matrices, roughly, for a stack [G, M, N], in float32; computed in `dtype`."""
    x = matrices.to(dtype)
    is_tall = x.shape[-2] > x.shape[-1]
    x = x.mT if is_tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if is_tall else x).float()
