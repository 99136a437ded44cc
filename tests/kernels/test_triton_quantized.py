"""Triton products with codes equal those with the dequantised weight."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.triton_module import DEVICE, relative_error, triton_module
from vl2.core.errors import VL2Error
from vl2.kernels.quantized import dequantize, quantize, quantized_linear

triton_quantized = triton_module("triton_quantized")

FLOAT32_BOUND = 1e-5  # relative to the largest value
BFLOAT16_BOUND = 1e-2


@given(
    tokens=st.integers(1, 40),
    outputs=st.integers(1, 70),
    width=st.integers(1, 200),
    bits=st.sampled_from([4, 8]),
    group=st.sampled_from([32, 64, 128]),
    is_half=st.booleans(),
    has_bias=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=12)
def test_linear(
    tokens: int, outputs: int, width: int, bits: int, group: int, is_half: bool, has_bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    dtype = torch.bfloat16 if is_half else torch.float32
    weight = quantize(torch.randn(outputs, width), bits, group)
    x, bias = torch.randn(tokens, width).to(dtype), torch.randn(outputs).to(dtype) if has_bias else None
    expected = torch.nn.functional.linear(
        x.double(), dequantize(weight).double(), None if bias is None else bias.double()
    )
    weight = type(weight)(weight.codes.to(DEVICE), weight.scales.to(DEVICE), bits, group, width)
    out = triton_quantized.quantized_linear(x.to(DEVICE), weight, None if bias is None else bias.to(DEVICE))
    assert out.dtype == dtype
    assert relative_error(out.cpu(), expected) < (BFLOAT16_BOUND if is_half else FLOAT32_BOUND)


def test_leading_dimensions_stay_and_rows_may_be_none() -> None:
    weight = quantize(torch.randn(5, 40, device=DEVICE), 4, 32)
    x = torch.randn(2, 3, 40, device=DEVICE)
    torch.testing.assert_close(triton_quantized.quantized_linear(x, weight), quantized_linear(x, weight))
    assert triton_quantized.quantized_linear(x[:0], weight).shape == (0, 3, 5)


def test_a_gradient_flows_to_x() -> None:
    weight = quantize(torch.randn(5, 40, device=DEVICE), 8, 32)
    x = torch.randn(3, 40, device=DEVICE, requires_grad=True)
    triton_quantized.quantized_linear(x, weight).sum().backward()
    assert x.grad is not None


def test_shapes_that_do_not_fit_are_refused() -> None:
    weight = quantize(torch.randn(5, 40, device=DEVICE), 8, 32)
    with pytest.raises(VL2Error, match="linear: x and bias"):
        triton_quantized.quantized_linear(torch.randn(3, 41, device=DEVICE), weight)
