"""Every kernel = its specification in reference.py, forward and backward, over many shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vl2.kernels import Backends, cpu_attention, documents, grouped, quantized, reference, sdpa, sorted_experts
from vl2.kernels.documents import Documents
from vl2.model.language import documents_mask

TOLERANCE = 2e-5  # float32, relative to values of about 1
ATTENTION = {"sdpa": sdpa.attention, "cpu": cpu_attention.attention}
EXPERTS = {"sorted": sorted_experts.routed_experts}
TRITON = "vl2.kernels.triton_"  # these are tested in tests/kernels
REFERENCE = {reference.attention, reference.latent_attention, reference.routed_experts}
QUANTIZED = {grouped.quantized_experts, quantized.quantized_linear}  # tests/kernels/test_quantized.py
TESTED = REFERENCE | QUANTIZED | {*ATTENTION.values(), *EXPERTS.values(), documents.attention}


def outputs_and_gradients(kernel: Callable[..., Tensor], inputs: Sequence[Tensor], *others: object) -> list[Tensor]:
    """Return the output for `inputs`, and the gradient of a fixed sum of it for each of them."""
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    out = kernel(*leaves, *others)
    weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), leaves)]


def assert_equal(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, atol=TOLERANCE * max(1.0, float(right.abs().max())), rtol=0)


@pytest.mark.parametrize("name", ATTENTION)
@given(
    shape=st.tuples(*[st.integers(1, 4), st.integers(1, 5), st.integers(1, 17), st.integers(0, 20)]),
    dims=st.tuples(st.integers(1, 33), st.integers(1, 33)),
    masked=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_attention(name: str, shape: tuple[int, ...], dims: tuple[int, int], masked: bool, seed: int) -> None:
    torch.manual_seed(seed)
    batch, heads, new, old = shape
    slots = old + new
    query, key = torch.randn(batch, heads, new, dims[0]), torch.randn(batch, heads, slots, dims[0])
    value = torch.randn(batch, heads, slots, dims[1])
    may_look = (torch.rand(batch, 1, new, slots) < 0.5) if masked else torch.ones(1, 1, new, slots, dtype=torch.bool)
    may_look[..., old:] |= torch.eye(new, dtype=torch.bool)  # no query is left without a key
    mask = torch.zeros(may_look.shape).masked_fill(~may_look, -torch.inf) if masked else None
    inputs, others = (query, key, value), (mask, dims[0] ** -0.5)
    theirs = outputs_and_gradients(reference.attention, inputs, *others)
    assert_equal(outputs_and_gradients(ATTENTION[name], inputs, *others), theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # native kernels, where there are some, and PyTorch's
@given(
    lengths=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=3),
    dims=st.tuples(st.integers(1, 33), st.integers(1, 33)),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_document_attention(dtype: torch.dtype, lengths: list[list[int]], dims: tuple[int, int], seed: int) -> None:
    torch.manual_seed(seed)
    total = max(map(sum, lengths))
    numbers = torch.zeros(len(lengths), total, dtype=torch.long)  # what is left of a row is padding
    for row, parts in zip(numbers, lengths, strict=True):
        row[: sum(parts)] = torch.arange(1, len(parts) + 1).repeat_interleave(torch.tensor(parts))
    inputs = tuple(torch.randn(len(lengths), 3, total, dim, dtype=dtype) for dim in (dims[0], *dims))
    found = Documents.of(numbers)
    assert found is not None
    theirs = outputs_and_gradients(reference.attention, inputs, documents_mask(numbers, dtype), 0.3)
    assert_equal(outputs_and_gradients(documents.attention, inputs, found, 0.3), theirs)


def test_a_document_in_pieces_is_masked() -> None:
    assert Documents.of(torch.tensor([[1, 1, 2, 1]])) is None


@pytest.mark.parametrize("name", EXPERTS)
@given(
    tokens=st.integers(1, 40),
    experts=st.integers(1, 9),
    top_k=st.integers(1, 9),
    dims=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    crowded=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_routed_experts(
    name: str, tokens: int, experts: int, top_k: int, dims: tuple[int, int], crowded: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    width, hidden = dims
    scores = torch.randn(1 if crowded else tokens, experts).expand(tokens, -1)  # crowded: all choose the same
    topk_ids = scores.topk(min(top_k, experts), dim=-1, sorted=False).indices
    gate, up = torch.randn(experts, hidden, width), torch.randn(experts, hidden, width)
    down = torch.randn(experts, width, hidden) / hidden
    x, weights = torch.randn(tokens, width), torch.rand(topk_ids.shape)

    def call(kernel: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda x, weights, gate, up, down: kernel(x, topk_ids, weights, gate, up, down)

    inputs = (x, weights, gate, up, down)
    theirs = outputs_and_gradients(call(reference.routed_experts), inputs)
    assert_equal(outputs_and_gradients(call(EXPERTS[name]), inputs), theirs)


def test_an_idle_expert_gets_no_gradient() -> None:
    gate = torch.randn(3, 4, 5, requires_grad=True)
    up, down = torch.randn(3, 4, 5), torch.randn(3, 5, 4)
    ids, weights = torch.tensor([[0, 2]]), torch.ones(1, 2)
    sorted_experts.routed_experts(torch.randn(1, 5), ids, weights, gate, up, down).sum().backward()
    assert gate.grad is not None
    assert [bool(part.any()) for part in gate.grad] == [True, False, True]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("experts", EXPERTS)
def test_experts_keep_the_type_and_sum_in_float32(dtype: torch.dtype, experts: str) -> None:
    torch.manual_seed(0)
    gate, up, down = (torch.randn(4, *shape).to(dtype) for shape in ((16, 8), (16, 8), (8, 16)))
    x, weights = torch.randn(320, 8).to(dtype), torch.rand(320, 2)
    ids = torch.rand(320, 4).topk(2, dim=-1, sorted=False).indices
    out = EXPERTS[experts](x, ids, weights, gate, up, down)
    assert out.dtype == dtype
    exact = reference.routed_experts(x.float(), ids, weights, gate.float(), up.float(), down.float())
    rounded = reference.routed_experts(x, ids, weights, gate, up, down)
    # as near to float32 as the reference is; most of either is the rounding of the answer itself
    assert float((out - exact).norm()) <= 1.02 * float((rounded - exact).norm())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_chosen_kernel_is_tested(device: str) -> None:
    best = Backends.best(device)
    values = {field.name: getattr(best, field.name) for field in fields(best)}
    chosen = {name: kernel for name, kernel in values.items() if callable(kernel)}
    untested = [name for name, kernel in chosen.items() if kernel not in TESTED]
    assert not [name for name in untested if not chosen[name].__module__.startswith(TRITON)]
