"""Eight- and four-bit weights: bounds of the error, packing, padding, and the layers that hold them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house.shape_tracer import trace_shapes
from vl2.kernels.compensated import quantize_compensated
from vl2.kernels.quantized import (
    CODES,
    GROUPS,
    QuantizedTensor,
    dequantize,
    packed_shapes,
    quantize,
    quantized_linear,
    quantized_swiglu,
    store,
)
from vl2.kernels.quantized_linear import QuantizedEmbedding, QuantizedLinear
from vl2.kernels.reference import swiglu

BITS = st.sampled_from(sorted(CODES))
SEEDS = st.integers(0, 99)
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))  # rows, groups
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 300))
STEPS = {8: 127, 4: 8}  # of the largest number of a group
# Half a step, widened by the search for the scale (which may clip) and by bfloat16 (1/256).
LARGEST_ERROR = {8: 0.5 * 1.02 + 127 * 0.035, 4: 0.5 * 1.2 + 8 * 0.26}


def groups_of(values: torch.Tensor, group: int) -> torch.Tensor:
    """Cut the last dimension into groups [.., G, g]."""
    return F.pad(values, (0, -values.shape[-1] % group)).unflatten(-1, (-1, group))


@given(bits=BITS, group=st.sampled_from(GROUPS), shape=SHAPES, scale=st.floats(1e-6, 1e4), seed=SEEDS)
@settings(max_examples=60)
def test_errors_are_bounded_in_each_group(bits, group, shape, scale, seed):
    torch.manual_seed(seed)
    weight = torch.randn(shape) * scale
    found = quantize(weight, bits, group)
    assert found.shape == weight.shape
    assert (found.codes.shape, found.scales.shape) == packed_shapes(weight.shape, bits, group)
    peaks = groups_of(weight, group).abs().amax(-1)
    errors = groups_of(dequantize(found) - weight, group).abs().amax(-1)
    assert (errors <= LARGEST_ERROR[bits] * peaks / STEPS[bits]).all()


@pytest.mark.parametrize(("bits", "share"), [(8, 0.95), (4, 0.75)])
def test_the_search_for_scales_pays(bits, share):
    torch.manual_seed(0)
    weight = groups_of(torch.randn(64, 256), 64)  # [N, G, g]
    plain = weight.abs().amax(-1, keepdim=True) / CODES[bits][1]
    rounded = (weight / plain).round() * plain
    error = (dequantize(quantize(weight.flatten(1), bits, 64)) - weight.flatten(1)).square().mean()
    assert error < share * (rounded - weight).square().mean()


@given(bits=BITS, group=st.sampled_from(GROUPS), size=SIZES, seed=SEEDS)
@settings(max_examples=60)
def test_codes_survive_being_stored_and_found_again(bits, group, size, seed):
    torch.manual_seed(seed)
    rows, groups = size
    low, high = CODES[bits]
    codes = torch.randint(low, high + 1, (rows, groups * group), dtype=torch.int8)
    codes[:, ::group] = low  # each group uses its whole range
    scales = (torch.rand(rows, groups) + 0.5).bfloat16()
    stored = store(codes, scales, bits, group, codes.shape[1])
    numbers = dequantize(stored)
    assert torch.equal(numbers, (groups_of(codes.float(), group) * scales.float()[..., None]).flatten(-2))
    again = quantize(numbers, bits, group)
    assert torch.equal(dequantize(again), numbers)


def test_four_bits_stand_as_the_kernels_read_them():
    codes = torch.arange(-8, 8, dtype=torch.int8).repeat(2)[None]
    stored = store(codes, torch.ones(1, 1).bfloat16(), 4, 32, 32)
    assert stored.codes.dtype == torch.uint8
    assert stored.codes[0, :3].tolist() == [0x10, 0x32, 0x54]  # even columns low, odd columns high, each plus 8


@pytest.mark.parametrize("bits", CODES)
def test_padding_is_zero_codes(bits):
    found = quantize(torch.randn(3, 70), bits, 64)
    filled = dequantize(QuantizedTensor(found.codes, found.scales, bits, 64, width=128))
    assert filled.shape == (3, 128)
    assert not filled[:, 70:].any()


@pytest.mark.parametrize("bits", CODES)
@pytest.mark.parametrize("value", [0.0, 1e-42, 1e-33])
def test_groups_of_nothing_are_nothing(bits, value):
    found = quantize(torch.full((2, 64), value), bits, 32)
    assert torch.isfinite(dequantize(found)).all()
    assert dequantize(found).abs().max() <= 1e-32


def test_important_columns_are_kept_better():
    torch.manual_seed(0)
    weight = torch.randn(64, 128)
    importance = torch.ones(128)
    importance[::4] = 100
    errors = [(dequantize(quantize(weight, 4, 64, one)) - weight).square().mean(0) for one in (None, importance)]
    assert errors[1][::4].mean() < 0.9 * errors[0][::4].mean()
    assert (errors[1] * importance).sum() < (errors[0] * importance).sum()


@given(seed=SEEDS, bits=BITS, shared=st.booleans())
@settings(max_examples=20)
def test_stacked_weights_are_each_as_alone(seed, bits, shared):
    torch.manual_seed(seed)
    weight, importance = torch.randn(3, 5, 70), torch.rand(70) if shared else torch.rand(3, 70)
    stacked = quantize(weight, bits, 32, importance)
    for number in range(3):
        alone = quantize(weight[number], bits, 32, importance if shared else importance[number])
        assert torch.equal(stacked[number].codes, alone.codes)
        assert torch.equal(stacked[number].scales, alone.scales)


def test_compensation_changes_a_product_less():
    torch.manual_seed(0)
    weight, mixing = torch.randn(48, 100), torch.randn(100, 100)
    inputs = torch.randn(400, 100) @ mixing  # correlated columns: one can stand in for another
    moments = inputs.T @ inputs / len(inputs)
    errors = [
        (inputs @ (dequantize(found) - weight).T).square().mean()
        for found in (quantize(weight, 4, 32, moments.diagonal()), quantize_compensated(weight, moments, 4, 32))
    ]
    assert errors[1] < 0.5 * errors[0]


def test_compensation_without_correlation_is_plain_rounding():
    torch.manual_seed(0)
    weight = torch.randn(5, 70)
    found, plain = quantize_compensated(weight, torch.eye(70), 4, 32), quantize(weight, 4, 32)
    assert torch.equal(found.codes, plain.codes)
    assert torch.equal(found.scales, plain.scales)


@pytest.mark.parametrize("moments", [torch.zeros(64, 64), torch.ones(64, 64), torch.diag(torch.arange(64) % 2.0)])
def test_compensation_stands_columns_that_were_never_used(moments):
    found = quantize_compensated(torch.randn(4, 64), moments, 4, 32)
    assert torch.isfinite(dequantize(found)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bits", CODES)
def test_layers_equal_their_dequantised_twins(bits, dtype, monkeypatch):
    monkeypatch.setattr("vl2.kernels.quantized.NUMBERS_AT_ONCE", 700)  # several pieces
    torch.manual_seed(0)
    x = torch.randn(2, 3, 70, dtype=dtype)
    linear, embedding = torch.nn.Linear(70, 33).to(dtype), torch.nn.Embedding(9, 70).to(dtype)
    ours, table = QuantizedLinear(linear, bits, 32), QuantizedEmbedding(embedding, bits, 32, dtype)
    for layer, source in ((ours, linear), (table, embedding)):
        found = quantize(source.weight, bits, 32)
        layer.weight.codes, layer.weight.scales = found.codes, found.scales
        source.weight.data.copy_(dequantize(found))
    torch.testing.assert_close(ours(x), linear(x))
    ids = torch.tensor([[0, 8], [3, 3]])
    assert torch.equal(table(ids), embedding(ids))
    assert quantized_linear(x, ours.weight.tensor).dtype == dtype


def test_a_gated_mlp_equals_the_reference():
    torch.manual_seed(0)
    gate, up, down = (quantize(torch.randn(shape), 4, 32) for shape in ((40, 24), (40, 24), (24, 40)))
    x = torch.randn(6, 24)
    theirs = swiglu(x, *(dequantize(weight) for weight in (gate, up, down)))
    torch.testing.assert_close(quantized_swiglu(x, gate, up, down), theirs)


def test_shape_comments_hold():
    x, weight = torch.randn(3, 70), torch.randn(11, 70)

    def run() -> None:
        quantized_linear(x, quantize(weight, 4, 32, torch.rand(70)))
        quantize_compensated(weight, torch.eye(70), 4, 32)
        quantized_swiglu(x, *(quantize(one, 8, 32) for one in (weight, weight, weight.T.contiguous())))

    modules = ["vl2.kernels.quantized", "vl2.kernels.compensated"]
    report = trace_shapes(modules, {}, run)
    assert not report.mistakes, "\n".join(report.mistakes)
    assert not report.unreached
