"""Experts that learn: the written backward pass is the derivative, also of what is filled up, frozen or idle."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vl2.core.errors import VL2Error
from vl2.kernels import reference, sorted_experts
from vl2.kernels.native.learning import can_learn
from vl2.kernels.native.library import set_num_threads
from vl2.kernels.sorted_experts import padded

HALF_BOUND = {torch.bfloat16: 0.012, torch.float16: 0.0015}  # of the largest value: three roundings of its type
ROUNDING = 1 / 256  # of bfloat16
NAMES = ("out", "x", "topk_weights", "gate", "up", "down")


def inputs(dtype: torch.dtype, tokens: int, experts: int, top_k: int, width: int, hidden: int, seed: int = 0):
    torch.manual_seed(seed)
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
@pytest.mark.parametrize("hidden", [48, 96])  # of PyTorch's products, of a tile unit's where there is one
def test_half_precision_is_the_reference(dtype: torch.dtype, tokens: int, hidden: int) -> None:
    leaves, ids = inputs(dtype, tokens, 6, 3, 64, hidden)
    ours = outputs_and_gradients(sorted_experts.routed_experts, leaves, ids)
    theirs = outputs_and_gradients(reference.routed_experts, [leaf.float() for leaf in leaves], ids)
    for name, expected in theirs.items():
        bound = HALF_BOUND[dtype] * float(expected.abs().max())
        torch.testing.assert_close(ours[name].float(), expected, atol=bound, rtol=0, msg=name)
    assert not ours["gate"][-1].any()


@pytest.mark.skipif(not can_learn(*inputs(torch.bfloat16, 1, 2, 1, 32, 32)[0]), reason="needs a tile unit")
@pytest.mark.parametrize("threads", [1, 3])
@settings(max_examples=20, deadline=None)
@given(
    tokens=st.integers(1, 150), experts=st.integers(2, 9), width=st.integers(1, 5), hidden=st.integers(1, 5),
    asked=st.lists(st.booleans(), min_size=5, max_size=5).filter(any), seed=st.integers(0, 99),
)  # fmt: skip
def test_native_kernels_err_by_two_roundings(threads, tokens, experts, width, hidden, asked, seed) -> None:
    (x, weights, *stacks), ids = inputs(
        torch.bfloat16, tokens, experts, min(2, experts - 1), 32 * width, 32 * hidden, seed
    )
    ramp = torch.linspace(-1, 1, x.numel()).view(x.shape)

    def found(kernel, leaves):
        own = [leaf.clone().requires_grad_(is_asked) for leaf, is_asked in zip(leaves, asked, strict=True)]
        out = kernel(own[0], ids, own[1], *own[2:])
        taken = iter(torch.autograd.grad((out * ramp).sum(), [leaf for leaf in own if leaf.requires_grad]))
        return dict(zip(NAMES, (out.detach(), *(next(taken) if is_asked else None for is_asked in asked)), strict=True))

    set_num_threads(threads)
    try:
        ours = found(sorted_experts.routed_experts, (x, weights, *stacks))
    finally:
        set_num_threads(torch.get_num_threads())
    exact = found(reference.routed_experts, [leaf.float() for leaf in (x, weights, *stacks)])
    for name, truth in exact.items():
        assert (ours[name] is None) == (truth is None), name
        if truth is not None:
            # what a weight learns is a product of two vectors, which may all but cancel
            size = (
                truth.norm() if name != "topk_weights" else said_alone(x, ids, stacks).norm() * ramp.norm(dim=1).max()
            )
            assert (ours[name].float() - truth).norm() <= 2 * ROUNDING * size, name


def said_alone(x, ids, stacks) -> torch.Tensor:
    """Return what each choice's expert says [N, K, D] in float32."""
    return torch.stack([
        torch.stack([reference.swiglu(token, *(stack[expert].float() for stack in stacks)) for expert in chosen])
        for token, chosen in zip(x.float(), ids.tolist(), strict=True)
    ])  # fmt: skip


def test_what_does_not_fit_is_refused() -> None:
    (x, weights, gate, up, down), ids = inputs(torch.bfloat16, 9, 4, 2, 32, 64)
    with pytest.raises(VL2Error, match="expert: does not exist .got 4, expected 0 to 3"):
        sorted_experts.routed_experts(x, ids + 3 - ids.max() + 1, weights, gate, up, down)
    for narrow, *stacks in ((x[:, :16], gate, up, down), (x, gate, up[:, :32], down), (x, gate, up, up)):
        with pytest.raises((RuntimeError, IndexError)):
            sorted_experts.routed_experts(narrow, ids, weights, *stacks)
    strided = x.repeat(1, 2)[:, ::2], weights, *(weight.mT.contiguous().mT for weight in (gate, up, down))
    odd = sorted_experts.routed_experts(strided[0], ids, *strided[1:])
    own = (x.repeat(1, 2)[:, ::2].contiguous(), weights, gate, up, down)
    torch.testing.assert_close(odd, sorted_experts.routed_experts(own[0], ids, *own[1:]), atol=0.05, rtol=0.02)


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
