"""Routed experts that learn, each pass in one call: in bfloat16, where the processor has a tile unit."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from vl2.kernels.native import structs
from vl2.kernels.native.library import kernels, library

STEP = 32  # products.h, PANEL


@dataclass(frozen=True, kw_only=True)
class Choices:
    """M choices sorted by expert."""

    tokens: Tensor  # [M] int64
    weights: Tensor  # [M, 1] float32
    ends: Tensor  # [E] int64, the row behind each expert's last


def can_learn(x: Tensor, topk_weights: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> bool:
    """Tell whether the calls below take these: x [N, D], weights [N, K], gate and up [E, F, D], down [E, D, F]."""
    parts = (x, gate, up, down)
    if any(part.device.type != "cpu" or part.dtype != torch.bfloat16 for part in parts):
        return False
    if topk_weights.dtype not in (torch.float32, torch.bfloat16) or x.dim() != 2 or gate.dim() != 3:
        return False
    experts, hidden, width = gate.shape
    if hidden % STEP or width % STEP or not all(weight.is_contiguous() for weight in parts[1:]):
        return False
    if x.shape[1] != width or up.shape != gate.shape or down.shape != (experts, width, hidden):
        return False  # PyTorch says what does not fit
    loaded = library()
    return loaded is not None and bool(loaded.vl2_has_tile_unit())


def learned_forward(
    x: Tensor, choices: Choices, gate: Tensor, up: Tensor, down: Tensor, kept: tuple[Tensor, Tensor] | None, out: Tensor
) -> None:
    """Write what experts say of each choice, by weight, to `out` [M, D], and what gates and ups gave to `kept` [M, F].

    Sizes must fit, and ids must be within the stacks: what comes here was sorted by `sorted_experts`.
    """
    x = x.contiguous()
    experts = _experts(x, choices, gate, up, down, kept)
    kernels().vl2_learned_forward(ctypes.byref(experts), out.data_ptr())


def learned_backward(
    x: Tensor,
    choices: Choices,
    stacks: tuple[Tensor, Tensor, Tensor],
    kept: tuple[Tensor, Tensor],
    grad: Tensor,
    found: tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None],
) -> Tensor:
    """Return the gradients of the choices' weights [M, 1] for `grad` [N, D], that of each token's sum of choices.

    Those of gate, up, down (as the stacks are) and of the rows [M, D] are written to `found`, where there is room.
    """
    x, grad = x.contiguous(), grad.contiguous()
    weights_grad = torch.empty_like(choices.weights)
    experts = _experts(x, choices, *stacks, kept)
    rooms = structs.LearnedGradients(*map(_address, found), weights_grad.data_ptr())
    kernels().vl2_learned_backward(ctypes.byref(experts), grad.data_ptr(), ctypes.byref(rooms))
    return weights_grad


def _experts(
    x: Tensor, choices: Choices, gate: Tensor, up: Tensor, down: Tensor, kept: tuple[Tensor, Tensor] | None
) -> structs.LearnedExperts:
    """Return the structure; it holds addresses, so the tensors must live as long as the call takes."""
    return structs.LearnedExperts(
        *map(_address, (x, choices.tokens, choices.weights, choices.ends, gate, up, down, *(kept or (None, None)))),
        len(gate), gate.shape[2], gate.shape[1],
    )  # fmt: skip


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
