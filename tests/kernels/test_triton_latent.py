"""Triton latent attention equals the reference at any shape and mask, in one part and in many."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.kernels.triton_module import DEVICE, relative_error, triton_module
from vl2.core.errors import VL2Error
from vl2.kernels import reference

triton_latent = triton_module("triton_latent")

FLOAT32_BOUND = 1e-5  # relative to the largest value
BFLOAT16_BOUND = 2e-2  # weights and output in bfloat16; the interpreter cuts bits off, up to 2**-7 each


def inputs(batch: int, heads: int, new: int, slots: int, rank: int, rope: int, seed: int = 0) -> list[Tensor]:
    """Return query, query_rope, latent and rope_key as the model hands them over: parts of larger tensors."""
    torch.manual_seed(seed)
    query = torch.randn(batch, new, heads, rank + rope, device=DEVICE).transpose(1, 2)
    entries = torch.randn(batch, slots, rank + rope, device=DEVICE)
    return [*query.split((rank, rope), dim=-1), *entries.split((rank, rope), dim=-1)]


def some_slots(batch: int, new: int, slots: int, share: float) -> Tensor:
    """Return a mask [B, 1, T, S] that shows each query about this share of the slots, and at least one."""
    may_look = torch.rand(batch, 1, new, slots) < share
    may_look.scatter_(-1, torch.randint(0, slots, (batch, 1, new, 1)), True)
    return torch.zeros(may_look.shape).masked_fill_(~may_look, -torch.inf).to(DEVICE)


@given(
    batch=st.integers(1, 2),
    heads=st.integers(1, 10),
    new=st.integers(1, 4),
    slots=st.integers(1, 80),
    dims=st.tuples(st.integers(1, 70), st.integers(1, 40)),
    share=st.none() | st.floats(0, 1),
    is_half=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=12)
def test_any_shape(
    batch: int, heads: int, new: int, slots: int, dims: tuple[int, int], share: float | None, is_half: bool, seed: int
) -> None:
    tensors = inputs(batch, heads, new, slots, *dims, seed)
    mask = None if share is None else some_slots(batch, new, slots, share)
    scale = sum(dims) ** -0.5
    if is_half:
        tensors = [tensor.bfloat16() for tensor in tensors]
    expected = reference.latent_attention(*(tensor.double() for tensor in tensors), mask, scale)
    out = triton_latent.latent_attention(*tensors, mask.to(tensors[0]) if mask is not None else None, scale)
    assert out.dtype == tensors[0].dtype
    assert relative_error(out, expected) < (BFLOAT16_BOUND if is_half else FLOAT32_BOUND)


@pytest.mark.parametrize("share", [None, 0.02, 0.0])  # 0: one slot a query, most parts see nothing
def test_long_contexts_are_cut_into_parts(share: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_latent, "LEAST_SLOTS", 32)
    monkeypatch.setattr(triton_latent, "MOST_PARTS", 5)
    tensors = inputs(batch=2, heads=2, new=1, slots=300, rank=24, rope=8)
    mask = None if share is None else some_slots(2, 1, 300, share)
    expected = reference.latent_attention(*(tensor.double() for tensor in tensors), mask, 0.2)
    assert relative_error(triton_latent.latent_attention(*tensors, mask, 0.2), expected) < FLOAT32_BOUND


def test_large_scores_do_not_overflow() -> None:
    tensors = [tensor * 30 for tensor in inputs(batch=1, heads=2, new=1, slots=50, rank=16, rope=8)]
    expected = reference.latent_attention(*(tensor.double() for tensor in tensors), None, 1.0)
    assert relative_error(triton_latent.latent_attention(*tensors, None, 1.0), expected) < FLOAT32_BOUND


def test_an_expanded_mask_serves_all_rows() -> None:
    tensors = inputs(batch=3, heads=2, new=4, slots=9, rank=16, rope=8)
    mask = torch.full((4, 9), -torch.inf, device=DEVICE).triu(6).expand(3, 1, -1, -1)
    expected = reference.latent_attention(*tensors, mask, 0.2)
    assert relative_error(triton_latent.latent_attention(*tensors, mask, 0.2), expected) < FLOAT32_BOUND


def test_training_takes_the_reference() -> None:
    tensors = [tensor.clone().requires_grad_() for tensor in inputs(1, 2, 1, 5, 16, 8)]
    triton_latent.latent_attention(*tensors, None, 0.2).sum().backward()
    assert all(tensor.grad is not None for tensor in tensors)


def test_shapes_that_do_not_fit_are_refused() -> None:
    query, query_rope, latent, rope_key = inputs(1, 2, 1, 5, 16, 8)
    with pytest.raises(VL2Error, match="attention: shapes"):
        triton_latent.latent_attention(query, query_rope, latent[:, :4], rope_key, None, 0.2)
    with pytest.raises(VL2Error, match="attention: columns of a slot"):
        triton_latent.latent_attention(query, query_rope, latent.mT.contiguous().mT, rope_key, None, 0.2)
