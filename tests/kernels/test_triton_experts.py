"""Triton experts, of numbers and of codes, equal the reference at any shape."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.kernels.triton_module import DEVICE, relative_error, triton_module
from vl2.core.errors import VL2Error
from vl2.kernels import grouped, reference, sorted_experts
from vl2.kernels.quantized import dequantize, quantize

triton_experts = triton_module("triton_experts")

FLOAT32_BOUND = 1e-5  # relative to the largest value
BFLOAT16_BOUND = 1e-2  # the hidden layer is rounded to bfloat16; the interpreter cuts its bits off


def inputs(
    tokens: int, experts: int, top_k: int, width: int, hidden: int, seed: int, *, is_crowded: bool = False
) -> list[Tensor]:
    """Return x, ids, weights, gate, up and down; in a crowd all tokens choose the same experts."""
    torch.manual_seed(seed)
    scores = torch.randn(1 if is_crowded else tokens, experts).expand(tokens, -1)
    ids = scores.topk(min(top_k, experts), dim=-1, sorted=False).indices
    gate, up = torch.randn(2, experts, hidden, width) * width**-0.5
    down = torch.randn(experts, width, hidden) * hidden**-0.5
    found = (torch.randn(tokens, width), ids, torch.rand(ids.shape), gate, up, down)
    return [tensor.to(DEVICE) for tensor in found]


shapes = {
    "tokens": st.integers(1, 30),
    "experts": st.integers(1, 6),
    "top_k": st.integers(1, 4),
    "width": st.integers(1, 70),
    "hidden": st.integers(1, 70),
    "seed": st.integers(0, 99),
}


@given(**shapes, is_crowded=st.booleans())
@settings(max_examples=6)
def test_float32(is_crowded: bool, **sizes: int) -> None:
    given_ones = inputs(**sizes, is_crowded=is_crowded)
    expected = reference.routed_experts(*given_ones)
    assert relative_error(triton_experts.routed_experts(*given_ones), expected) < FLOAT32_BOUND


@pytest.mark.parametrize("tokens", [2, 70])  # small tiles, and large ones of which one is not full
@pytest.mark.parametrize("bits", [16, 8, 4])
def test_bfloat16_and_codes(tokens: int, bits: int) -> None:
    x, ids, weights, *numbers = inputs(tokens, experts=3, top_k=2, width=72, hidden=140, seed=tokens)
    x, numbers = x.bfloat16(), [one.bfloat16() for one in numbers]
    stored = numbers if bits == 16 else [quantize(one, bits, 64) for one in numbers]
    exact = [one.float() for one in numbers] if bits == 16 else [dequantize(one) for one in stored]
    out = triton_experts.routed_experts(x, ids, weights, *stored)
    assert out.dtype == torch.bfloat16
    assert relative_error(out, reference.routed_experts(x.float(), ids, weights, *exact)) < BFLOAT16_BOUND


@given(**shapes, bits=st.sampled_from([4, 8]), group=st.sampled_from([32, 128]))
@settings(max_examples=8)
def test_codes_in_float32(bits: int, group: int, **sizes: int) -> None:
    x, ids, weights, *numbers = inputs(**sizes)
    codes = [quantize(one, bits, group) for one in numbers]
    expected = reference.routed_experts(x, ids, weights, *map(dequantize, codes))
    assert relative_error(triton_experts.routed_experts(x, ids, weights, *codes), expected) < FLOAT32_BOUND


@given(pairs=st.tuples(st.integers(1, 400), st.integers(1, 4)), experts=st.integers(1, 20), seed=st.integers(0, 99))
@settings(max_examples=8)
def test_the_sort_is_stable(pairs: tuple[int, int], experts: int, seed: int) -> None:
    ids = torch.randint(0, experts, pairs, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
    order, counts = triton_experts.sort_by_expert(ids, experts)
    assert order.tolist() == ids.flatten().argsort(stable=True).tolist()
    assert counts.tolist() == ids.flatten().bincount(minlength=experts).tolist()


def test_a_token_alone_and_in_a_batch_gets_the_same_answer() -> None:
    x, ids, weights, *numbers = inputs(tokens=20, experts=5, top_k=2, width=40, hidden=50, seed=0)
    whole = triton_experts.routed_experts(x, ids, weights, *numbers)
    alone = triton_experts.routed_experts(x[7:8], ids[7:8], weights[7:8], *numbers)
    torch.testing.assert_close(alone, whole[7:8], atol=1e-6, rtol=0)


def test_no_tokens() -> None:
    x, ids, weights, *numbers = inputs(tokens=2, experts=3, top_k=2, width=8, hidden=8, seed=0)
    assert triton_experts.routed_experts(x[:0], ids[:0], weights[:0], *numbers).shape == (0, 8)


def test_training_takes_kernels_with_a_backward() -> None:
    given_ones = inputs(tokens=5, experts=3, top_k=2, width=8, hidden=8, seed=0)
    given_ones[3].requires_grad_()
    out = triton_experts.routed_experts(*given_ones)
    assert torch.equal(out, sorted_experts.routed_experts(*given_ones))
    out.sum().backward()
    assert given_ones[3].grad is not None


def test_a_gradient_flows_through_quantised_experts_to_x() -> None:
    x, ids, weights, *numbers = inputs(tokens=5, experts=3, top_k=2, width=8, hidden=8, seed=0)
    codes = [quantize(one, 8, 32) for one in numbers]
    found, expected = [], []
    for grads, experts in ((found, triton_experts.routed_experts), (expected, grouped.quantized_experts)):
        leaf = x.clone().requires_grad_()
        experts(leaf, ids, weights, *codes).square().sum().backward()
        grads.append(leaf.grad)
    assert found[0].abs().max() > 0
    assert torch.equal(found[0], expected[0])


def test_shapes_and_layouts_that_do_not_fit_are_refused() -> None:
    x, ids, weights, gate, up, down = inputs(tokens=5, experts=3, top_k=2, width=8, hidden=6, seed=0)
    with pytest.raises(VL2Error, match="experts: shapes"):
        triton_experts.routed_experts(x, ids, weights, gate, up, down.transpose(1, 2).contiguous())
    with pytest.raises(VL2Error, match="experts: shapes"):
        triton_experts.routed_experts(x[:, :7], ids, weights, gate, up, down)
    with pytest.raises(VL2Error, match="weight: rows"):
        triton_experts.routed_experts(x, ids, weights, gate, up, down.transpose(1, 2).contiguous().transpose(1, 2))
    codes = quantize(gate, 8, 32), quantize(up, 8, 32), quantize(down, 8, 32)
    with pytest.raises(VL2Error, match="experts: gate and up"):
        triton_experts.routed_experts(x, ids, weights, codes[0], quantize(up, 4, 32), codes[2])
    with pytest.raises(VL2Error, match="quantised in part"):
        triton_experts.routed_experts(x.requires_grad_(), ids, weights, codes[0], codes[1], down)
