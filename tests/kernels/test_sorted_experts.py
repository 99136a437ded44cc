"""Experts that learn: the written backward pass is the derivative, also of what is filled up, frozen or idle."""

import pytest
import torch

from vl2.kernels import reference, sorted_experts
from vl2.kernels.sorted_experts import padded

HALF_BOUND = {torch.bfloat16: 0.012, torch.float16: 0.0015}  # of the largest value: three roundings of its type
NAMES = ("out", "x", "topk_weights", "gate", "up", "down")


def inputs(dtype: torch.dtype, tokens: int, experts: int, top_k: int, width: int, hidden: int):
    torch.manual_seed(0)
    gate, up = (torch.randn(experts, hidden, width).to(dtype) for _ in range(2))
    down = (torch.randn(experts, width, hidden) / hidden).to(dtype)
    ids = torch.rand(tokens, experts - 1).topk(top_k, dim=-1, sorted=False).indices  # the last expert is idle
    weights = torch.rand(tokens, top_k, dtype=torch.promote_types(dtype, torch.float32))
    return (torch.randn(tokens, width).to(dtype), weights, gate, up, down), ids


def outputs_and_gradients(kernel, leaves, ids) -> dict[str, torch.Tensor]:
    x, weights, *stacks = (leaf.clone().requires_grad_() for leaf in leaves)
    out = kernel(x, ids, weights, *stacks)
    ramp = torch.linspace(-1, 1, out.numel()).view(out.shape)
    found = torch.autograd.grad((out * ramp).sum(), (x, weights, *stacks))
    return dict(zip(NAMES, (out.detach(), *found), strict=True))


def test_the_backward_pass_is_the_derivative() -> None:
    leaves, ids = inputs(torch.float64, 9, 4, 2, 5, 6)
    leaves = [leaf.requires_grad_() for leaf in leaves]
    assert torch.autograd.gradcheck(
        lambda x, weights, *stacks: sorted_experts.routed_experts(x, ids, weights, *stacks), leaves
    )


@pytest.mark.parametrize("dtype", HALF_BOUND)
@pytest.mark.parametrize("tokens", [5, 60, 600])  # shares as they are, filled up to 16s, to 64s
def test_half_precision_is_the_reference(dtype: torch.dtype, tokens: int) -> None:
    leaves, ids = inputs(dtype, tokens, 6, 3, 64, 48)
    ours = outputs_and_gradients(sorted_experts.routed_experts, leaves, ids)
    theirs = outputs_and_gradients(reference.routed_experts, [leaf.float() for leaf in leaves], ids)
    for name, expected in theirs.items():
        bound = HALF_BOUND[dtype] * float(expected.abs().max())
        torch.testing.assert_close(ours[name].float(), expected, atol=bound, rtol=0, msg=name)
    assert not ours["gate"][-1].any()


def test_what_is_frozen_gets_no_gradient() -> None:
    (x, weights, gate, up, down), ids = inputs(torch.float32, 20, 5, 2, 8, 6)
    up.requires_grad_()
    sorted_experts.routed_experts(x, ids, weights, gate, up, down).sum().backward()
    theirs = up.grad
    up.grad = None
    reference.routed_experts(x, ids, weights, gate, up, down).sum().backward()
    assert gate.grad is None
    torch.testing.assert_close(theirs, up.grad)


def test_sizes_are_few() -> None:
    sizes = {padded(count) for count in range(1, 1025)}
    assert len(sizes) == 16 + 7 + 14
    assert all(count <= padded(count) < count + 64 for count in range(1, 1025))
