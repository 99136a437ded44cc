"""Routed experts that learn: tokens are sorted by expert once, and every matrix meets its expert's rows in one product.

Autograd would fill a stack of zeros with one expert's gradient, once an expert and matrix. Here both passes are written
out, expert by expert: what lies between two products stays in the processor's cache.

Where the processor has a tile unit for bfloat16, C++ runs each pass in one call (native/learning.py).

M is the number of choices of all tokens; for PyTorch's products each expert's share is filled up to a size that occurs
often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vl2.core.errors import VL2Error
from vl2.core.memory import kept_room
from vl2.kernels.native.learning import Choices, can_learn, learned_backward, learned_forward


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """Which row of M is which choice of which token."""

    tokens: Tensor  # [M] the token of a row; that of padding is 0
    weights: Tensor  # [M, 1] float32 or wider, of padding 0: it neither gives nor takes
    places: Tensor  # [N, K] the row of a choice
    shares: tuple[tuple[int, slice], ...]  # experts that were chosen, and their rows
    native: Choices | None  # the same for native kernels; None where they cannot learn these experts

    @classmethod
    def of(
        cls, topk_ids: Tensor, topk_weights: Tensor, num_experts: int, dtype: torch.dtype, *, is_native: bool = False
    ) -> Sorted:
        """Sort the choices [N, K]; shares that native kernels take are not filled up."""
        flat, top_k = topk_ids.flatten(), topk_ids.shape[1]
        order = flat.argsort(stable=True)  # [N*K]
        counts = flat.bincount(minlength=num_experts).tolist()
        if len(counts) > num_experts:
            raise VL2Error("expert", "does not exist", got=len(counts) - 1, expected=f"0 to {num_experts - 1}")
        is_padded = flat.device.type == "cpu" and dtype in (torch.bfloat16, torch.float16) and not is_native
        shares, rows, end = [], [], 0
        for expert, count in enumerate(counts):
            if count:
                rows.append(torch.arange(end, end + count))
                size = padded(count) if is_padded else count
                shares.append((expert, slice(end, end + size)))
                end += size
        row = torch.cat(rows).to(order.device) if rows else order  # [N*K] the row of the sorted choices
        tokens, weights = order.new_zeros(end), _wide(topk_weights.new_zeros(end, 1))
        tokens[row], weights[row, 0] = order // top_k, _wide(topk_weights.detach()).flatten()[order]
        places = torch.empty_like(order).scatter_(0, order, row).view(topk_ids.shape)  # [N, K]
        native = None
        if is_native:
            native = Choices(tokens=tokens, weights=weights, ends=torch.tensor(counts).cumsum(0))
        return cls(tokens=tokens, weights=weights, places=places, shares=tuple(shares), native=native)


def padded(count: int) -> int:
    """Return the size to which a share is filled up.

    Every new size of a product in half precision costs a CPU about 5 ms, the time of a few products, and shares differ
    in every step; so a few sizes occur again and again.
    """
    if count <= 16:
        return count
    step = 16 if count <= 128 else 64
    return count + -count % step


def routed_experts(x: Tensor, topk_ids: Tensor, topk_weights: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Equal to `reference.routed_experts`; costs K experts a token instead of E."""
    order = Sorted.of(topk_ids, topk_weights, len(gate), x.dtype, is_native=can_learn(x, topk_weights, gate, up, down))
    if torch.is_grad_enabled() and any(part.requires_grad for part in (x, topk_weights, gate, up, down)):
        return _Learned.apply(x, topk_weights, gate, up, down, order)  # type: ignore[no-any-return]
    return _forward(x, gate, up, down, order, None)


def _forward(
    x: Tensor, gate: Tensor, up: Tensor, down: Tensor, order: Sorted, kept: tuple[Tensor, Tensor] | None
) -> Tensor:
    """Return [N, D]; what gates and ups gave is left in `kept` [M, F]."""
    out = _room(x, len(order.tokens), x.shape[1])  # [M, D]
    if order.native is not None:
        learned_forward(x, order.native, gate, up, down, kept, out)
        return _sum(out, order.places)
    for expert, share in order.shares:
        rows = x.index_select(0, order.tokens[share])  # [m, D]
        into = (None, None) if kept is None else (kept[0][share], kept[1][share])
        gated = torch.mm(rows, gate[expert].T, out=into[0])  # [m, F]
        raised = torch.mm(rows, up[expert].T, out=into[1])  # [m, F]
        hidden = F.silu(_wide(gated)).mul_(raised).mul_(order.weights[share])  # [m, F]
        torch.mm(hidden.to(x.dtype), down[expert].T, out=out[share])
    return _sum(out, order.places)


class _Learned(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, topk_weights: Tensor, gate: Tensor, up: Tensor, down: Tensor, order: Sorted
    ) -> Tensor:
        gated, raised = (_room(x, len(order.tokens), gate.shape[1]) for _ in range(2))  # [M, F]
        ctx.order = order
        ctx.save_for_backward(x, gate, up, down, gated, raised)
        return _forward(x, gate, up, down, order, (gated, raised))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides the parameters' names
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, gate, up, down, gated, raised = ctx.saved_tensors
        order: Sorted = ctx.order
        x_asked, _, *weights_asked, _ = ctx.needs_input_grad
        stacks = [
            _stack(weight, order) if is_asked else None
            for weight, is_asked in zip((gate, up, down), weights_asked, strict=True)
        ]
        found = _Found(*stacks, x=_room(x, len(order.tokens), x.shape[1]) if x_asked else None)
        grad = gradients[0].contiguous()  # [N, D]
        if order.native is not None:
            rooms = (found.gate, found.up, found.down, found.x)
            weights_grad = learned_backward(x, order.native, (gate, up, down), (gated, raised), grad, rooms)
        else:
            weights_grad = _backward(x, gate, up, down, order, (gated, raised), grad, found)
        x_grad = _sum(found.x, order.places) if found.x is not None else None
        return x_grad, weights_grad.flatten()[order.places], found.gate, found.up, found.down, None


def _backward(
    x: Tensor, gate: Tensor, up: Tensor, down: Tensor, order: Sorted, kept: tuple[Tensor, Tensor], grad: Tensor,
    found: _Found,
) -> Tensor:  # fmt: skip
    """Return the gradients of the choices' weights [M, 1] for those of the sums [N, D]; fill `found`."""
    weights_grad = torch.empty_like(order.weights)  # [M, 1]
    for expert, share in order.shares:
        rows, came = (part.index_select(0, order.tokens[share]) for part in (x, grad))  # [m, D]
        weight, gated, raised = order.weights[share], _wide(kept[0][share]), _wide(kept[1][share])
        opened = F.silu(gated)  # [m, F]
        hidden = opened * raised  # [m, F]
        hidden_grad = _wide(came @ down[expert])  # [m, F] still without the token's weight
        torch.sum(hidden_grad * hidden, dim=1, keepdim=True, out=weights_grad[share])
        _learn(found.down, expert, came, hidden.mul_(weight))
        hidden_grad.mul_(weight)
        raised_grad = opened.mul_(hidden_grad).to(x.dtype)
        gated_grad = torch.ops.aten.silu_backward(hidden_grad.mul_(raised), gated).to(x.dtype)
        _learn(found.gate, expert, gated_grad, rows)
        _learn(found.up, expert, raised_grad, rows)
        if found.x is not None:
            torch.mm(gated_grad, gate[expert], out=found.x[share]).addmm_(raised_grad, up[expert])
    return weights_grad


@dataclass(frozen=True)
class _Found:
    """Gradients on the way; None where none is asked for."""

    gate: Tensor | None  # [E, F, D]
    up: Tensor | None  # [E, F, D]
    down: Tensor | None  # [E, D, F]
    x: Tensor | None  # [M, D]


def _learn(stack: Tensor | None, expert: int, came: Tensor, rows: Tensor) -> None:
    """Write one expert's gradient for what came back from its product with `rows`."""
    if stack is not None:
        torch.mm(came.T, rows.to(came.dtype), out=stack[expert])


def _stack(weight: Tensor, order: Sorted) -> Tensor:
    """Return room for the gradient of a stack of experts; that of idle ones is zero."""
    stack = _room(weight, *weight.shape)
    busy = {expert for expert, _ in order.shares}
    for expert in range(len(stack)):
        if expert not in busy:
            stack[expert].zero_()
    return stack


def _room(like: Tensor, *shape: int) -> Tensor:
    """Return room for values like these."""
    return kept_room(shape, like.dtype) if like.device.type == "cpu" else like.new_empty(shape)


def _wide(x: Tensor) -> Tensor:
    """Return x in float32 or wider: what lies between two products is computed there."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _sum(rows: Tensor, places: Tensor) -> Tensor:
    """Return the sums [N, D] of the rows [M, D] at places [N, K], summed in float32."""
    return F.embedding_bag(places, rows, mode="sum")
