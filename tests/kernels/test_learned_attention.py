"""Attention that learns natively: outputs and gradients equal the reference's under the documents' mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.kernels import Backends, cpu_attention, documents, reference
from vl2.kernels.documents import Documents
from vl2.kernels.native.learned_attention import learned_attention, learns_attention
from vl2.kernels.native.library import library, set_num_threads
from vl2.model.language import LONG_ROW, documents_mask, mask_of

pytestmark = pytest.mark.skipif(library() is None, reason="no C++ compiler")
BOUND = 1e-5  # of the largest value
ROUNDINGS = 4


def parts(batch: int, heads: int, tokens: int, key_dim: int, value_dim: int) -> list[Tensor]:
    """Return query, key and value, each with strides of its own, as the model has them."""
    fused = torch.randn(batch, tokens, heads, key_dim + value_dim)
    query, key = torch.randn(batch, tokens, heads, key_dim).transpose(1, 2), torch.randn(batch, heads, tokens, key_dim)
    return [part.requires_grad_() for part in (query, key, fused[..., key_dim:].transpose(1, 2))]


def outputs_and_gradients(attend, inputs: list[Tensor]) -> list[Tensor]:
    out = attend(*inputs)
    ramp = torch.linspace(-1, 1, out.numel()).view(out.shape)
    return [out.detach(), *torch.autograd.grad((out * ramp).sum(), inputs)]


def assert_near(found: list[Tensor], expected: list[Tensor], inputs: list[Tensor], scale: float) -> None:
    """Compare with the reference; gradients may cancel out, down to what roundings of their terms leave."""
    query, key, value = (float(part.detach().abs().max()) for part in inputs)
    terms = (0.0, scale * key * value, scale * query * value, 0.0)
    named = zip(("out", "query", "key", "value"), found, expected, terms, strict=True)
    for name, mine, other, term in named:
        assert mine.shape == other.shape
        bound = max(BOUND * float(other.abs().max()), ROUNDINGS * torch.finfo(torch.float32).eps * term)
        assert float((mine - other).abs().max()) <= bound, name


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(1, 70), min_size=1, max_size=4), min_size=1, max_size=3),
    heads=st.integers(1, 3), key_dim=st.sampled_from([4, 16, 24, 33]), value_dim=st.sampled_from([1, 16, 20, 40]),
    threads=st.integers(1, 2), seed=st.integers(0, 99),
)  # fmt: skip
def test_documents_attend_as_under_their_mask(rows, heads, key_dim, value_dim, threads, seed):
    torch.manual_seed(seed)
    set_num_threads(threads)
    tokens = max(map(sum, rows))
    lengths = tuple(tuple([*row, tokens - sum(row)] if sum(row) < tokens else row) for row in rows)
    found = Documents(lengths=lengths)
    mask = documents_mask(found.numbers(), torch.float32)
    inputs = parts(len(rows), heads, tokens, key_dim, value_dim)
    assert_near(
        outputs_and_gradients(lambda *qkv: documents.attention(*qkv, found, 0.3), inputs),
        outputs_and_gradients(lambda *qkv: reference.attention(*qkv, mask, 0.3), inputs),
        inputs, 0.3,
    )  # fmt: skip
    assert_near(
        outputs_and_gradients(lambda *qkv: cpu_attention.attention(*qkv, None, 0.3), inputs),
        outputs_and_gradients(lambda *qkv: reference.attention(*qkv, None, 0.3), inputs),
        inputs, 0.3,
    )  # fmt: skip


def test_high_scores_neither_overflow_nor_vanish():
    torch.manual_seed(0)
    inputs = [(part * 30).detach().requires_grad_() for part in parts(1, 2, 60, 16, 16)]
    mask = documents_mask(torch.zeros(1, 60), torch.float32)
    assert_near(
        outputs_and_gradients(lambda *qkv: learned_attention(*qkv, 1.0, lengths=((60,),), is_causal=True), inputs),
        outputs_and_gradients(lambda *qkv: reference.attention(*qkv, mask, 1.0), inputs),
        inputs, 1.0,
    )  # fmt: skip


def test_it_is_for_learning_in_float32_alone():
    query, key, value = parts(1, 1, 8, 4, 4)
    assert learns_attention(query, key, value)
    assert not learns_attention(*(part.detach() for part in (query, key, value)))
    assert not learns_attention(query.bfloat16(), key.bfloat16(), value.bfloat16())
    with torch.no_grad():
        assert not learns_attention(query, key, value)
        short = mask_of(torch.zeros(1, 8), torch.zeros(1, 8, 4), Backends.best())
        long = mask_of(torch.zeros(1, LONG_ROW), torch.zeros(1, LONG_ROW, 4), Backends.best())
    assert isinstance(short, Tensor) and isinstance(long, Documents)
    assert isinstance(mask_of(torch.zeros(1, 8), torch.zeros(1, 8, 4), Backends.best()), Documents)


@pytest.mark.parametrize("lengths", [((8,),), ((8,), (7,)), ((8,), (9, -1)), ((8,), (8, 0)), ((8,), (4, 5))])
def test_documents_that_do_not_fill_the_rows_are_refused(lengths):
    with pytest.raises(VL2Error, match="do not fill the rows"):
        learned_attention(*parts(2, 1, 8, 4, 4), 1.0, lengths=lengths, is_causal=True)


def test_shapes_that_do_not_fit_are_refused():
    query, key, value = parts(2, 1, 8, 4, 4)
    for wrong in ((query, key[:, :, :7], value), (query, key, value[:1]), (query[..., :3], key, value)):
        with pytest.raises(VL2Error, match="do not fit"):
            learned_attention(*wrong, 1.0, lengths=((8,), (8,)), is_causal=True)
