"""The C++ kernels equal the reference at any shape, and refuse what does not fit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vl2.core.errors import VL2Error
from vl2.kernels import reference
from vl2.kernels.native.library import library, set_num_threads
from vl2.kernels.native.packed import PackedWeight, attention, multiply, routed_experts

pytestmark = pytest.mark.skipif(library() is None, reason="no C++ compiler")

FLOAT32_BOUND = 1e-5  # relative to the largest value
BFLOAT16_ROUNDING = 2**-8  # activations between two products are rounded to bfloat16
INT_BOUND = 2e-4  # activations keep 15 bits


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected).abs().max() / expected.abs().max().clamp_min(1e-9))


def quantised(
    rows: int, cols: int, bits: int, group: int, seed: int = 0, input_bits: int = 15
) -> tuple[torch.Tensor, PackedWeight]:
    """Return a random weight of whole steps in float64, and the same packed."""
    generator = torch.Generator().manual_seed(seed)
    most = 7 if bits == 4 else 127
    stored = cols + -cols % group
    codes = torch.randint(-most - (bits == 4), most + 1, (rows, stored), generator=generator)
    codes[:, cols:] = 0
    scales = (torch.rand(rows, stored // group, generator=generator) + 0.5).bfloat16()
    weight = codes.view(rows, -1, group).double() * scales.double()[..., None]
    kept = codes.to(torch.int8)
    if bits == 4:
        shifted = (codes + 8).to(torch.uint8)
        kept = shifted[:, 0::2] | (shifted[:, 1::2] << 4)
    packed = PackedWeight.from_codes(kept, scales, bits=bits, group=group, num_inputs=cols, input_bits=input_bits)
    return weight.view(rows, stored)[:, :cols], packed


shapes = {
    "tokens": st.integers(1, 40),
    "rows": st.integers(1, 70),
    "cols": st.integers(1, 200) | st.sampled_from([32, 64, 192]),  # whole parts for the tile unit
    "seed": st.integers(0, 9),
}


@given(**shapes, is_half=st.booleans(), has_bias=st.booleans())
@settings(max_examples=40)
def test_products_of_floats(tokens: int, rows: int, cols: int, seed: int, is_half: bool, has_bias: bool) -> None:
    torch.manual_seed(seed)
    weight, x, bias = torch.randn(rows, cols), torch.randn(tokens, cols), torch.randn(rows) if has_bias else None
    if is_half:
        weight, x = weight.bfloat16(), x.bfloat16().float()
    expected = torch.nn.functional.linear(x.double(), weight.double(), None if bias is None else bias.double())
    assert relative_error(multiply(x, PackedWeight.from_float(weight, bias)), expected) < FLOAT32_BOUND


@given(**shapes, bits=st.sampled_from([4, 8]), group=st.sampled_from([32, 64, 128]))
@settings(max_examples=40)
def test_products_of_integers(tokens: int, rows: int, cols: int, seed: int, bits: int, group: int) -> None:
    weight, packed = quantised(rows, cols, bits, group, seed)
    x = torch.randn(tokens, cols, generator=torch.Generator().manual_seed(seed)) * 10 ** (seed - 4)
    scale = (x.double().abs() @ weight.abs().T).max().clamp_min(1e-30)  # rounding is bounded by what is summed
    assert float((multiply(x, packed).double() - x.double() @ weight.T).abs().max() / scale) < INT_BOUND


@pytest.mark.parametrize("num_rows", [6, 29, 75])  # the tile unit's blocks have 32
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "8 15", "4 15", "8 8", "4 8"])
def test_a_row_does_not_depend_on_its_neighbours(kind: str, num_rows: int) -> None:
    torch.manual_seed(0)
    if kind.startswith(("8", "4")):
        bits, input_bits = map(int, kind.split())
        packed = quantised(100, 192, bits, 64, input_bits=input_bits)[1]
    else:
        packed = PackedWeight.from_float(torch.randn(100, 192).to(getattr(torch, kind)))
    x = torch.randn(num_rows, 192)
    together = multiply(x, packed)
    assert torch.equal(together, torch.cat([multiply(row[None], packed) for row in x]))


@given(
    tokens=st.integers(1, 40), sizes=st.tuples(st.integers(1, 9), st.integers(1, 60), st.integers(1, 50)),
    is_half=st.booleans(), seed=st.integers(0, 9), data=st.data(),
)  # fmt: skip
@settings(max_examples=30)
def test_experts(tokens: int, sizes: tuple[int, int, int], is_half: bool, seed: int, data: st.DataObject) -> None:
    torch.manual_seed(seed)
    experts, hidden, width = sizes
    top_k = data.draw(st.integers(1, experts))
    dtype = torch.bfloat16 if is_half else torch.float32
    gate, up = (torch.randn(experts, hidden, width).to(dtype) * 0.3 for _ in range(2))
    down = torch.randn(experts, width, hidden).to(dtype) * 0.3
    x = torch.randn(tokens, width).to(dtype).float()
    ids, weights = torch.rand(tokens, experts).topk(top_k).indices, torch.rand(tokens, top_k)
    wide = [part.double() for part in (gate, up, down)]
    expected = reference.routed_experts(x.double(), ids, weights.double(), *wide)
    found = routed_experts(x, ids, weights, *(PackedWeight.from_float(part) for part in (gate, up, down)))
    # sums cancel: rounding is bounded by what is summed, not by what is left of it
    scale = reference.routed_experts(x.double().abs(), ids, weights.double(), *(part.abs() for part in wide)).max()
    error = float((found.double() - expected).abs().max() / scale)
    assert error < (BFLOAT16_ROUNDING if is_half else FLOAT32_BOUND)


@given(
    queries=st.integers(1, 40), slots=st.integers(1, 70), key_dim=st.integers(1, 40), value_dim=st.integers(1, 40),
    is_half=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=30)
def test_attention(queries: int, slots: int, key_dim: int, value_dim: int, is_half: bool, seed: int) -> None:
    torch.manual_seed(seed)
    query, key, value = torch.randn(queries, key_dim), torch.randn(slots, key_dim), torch.randn(slots, value_dim)
    if is_half:
        query, key, value = (part.bfloat16().float() for part in (query, key, value))
    limits = torch.randint(1, slots + 1, (queries,))
    mask = torch.where(torch.arange(slots) < limits[:, None], 0.0, -torch.inf).double()
    rows = [part.double()[None, None] for part in (query, key, value)]
    expected = reference.attention(*rows, mask[None, None], 1.0)[0, 0]
    scale = reference.attention(*rows[:2], rows[2].abs(), mask[None, None], 1.0).max()  # values cancel, as above
    found = attention(query, key, value, limits, is_bfloat16=is_half)
    error = float((found.double() - expected).abs().max() / scale)
    assert error < (BFLOAT16_ROUNDING if is_half else FLOAT32_BOUND)


def test_any_number_of_threads_gives_the_same() -> None:
    torch.manual_seed(0)
    packed, x = PackedWeight.from_float(torch.randn(500, 96)), torch.randn(20, 96)
    alone = multiply(x, packed)
    try:
        for count in (2, 5, 3):
            set_num_threads(count)
            for _ in range(20):
                assert torch.equal(multiply(x, packed), alone)
    finally:
        set_num_threads(torch.get_num_threads())


def test_what_does_not_fit_is_refused() -> None:
    packed = PackedWeight.from_float(torch.randn(8, 16))
    experts = [PackedWeight.from_float(torch.randn(3, *s)) for s in ((8, 16), (8, 16), (16, 8))]
    x, ids, weights = torch.randn(2, 16), torch.tensor([[0, 2], [1, 0]]), torch.rand(2, 2)
    for wrong in (
        lambda: multiply(torch.randn(2, 15), packed),
        lambda: multiply(x, experts[0]),
        lambda: PackedWeight.from_float(torch.randn(8, 16), torch.randn(7)),
        lambda: routed_experts(x, ids + 1, weights, *experts),
        lambda: routed_experts(x, ids - 1, weights, *experts),
        lambda: routed_experts(x, ids, weights[:1], *experts),
        lambda: routed_experts(x, ids, weights, experts[0], experts[1], experts[1]),
        lambda: attention(x, x, x, torch.tensor([1, 3]), is_bfloat16=False),
        lambda: attention(x, x, x, torch.tensor([0, 1]), is_bfloat16=False),
        lambda: set_num_threads(0),
    ):
        with pytest.raises(VL2Error):
            wrong()


def test_inputs_with_strides_are_read_right() -> None:
    torch.manual_seed(0)
    weight = torch.randn(24, 32)
    x = torch.randn(32, 10).T  # not contiguous
    packed = PackedWeight.from_float(weight.T.contiguous().T)
    torch.testing.assert_close(multiply(x, packed), x @ weight.T, atol=1e-5, rtol=1e-5)
