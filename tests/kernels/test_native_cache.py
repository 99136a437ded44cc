"""One token looks straight into the cache: every format, size of a head and number of heads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.engine.tiny import MHA, MLA, tiny_model
from vl2.core.batch import Batch
from vl2.engine.cache import PagedCache
from vl2.kernels.cache_entry import read_entries, store_entries
from vl2.kernels.native.library import library
from vl2.model import VL2, VL2Config
from vl2.weights.pack import pack_model

pytestmark = pytest.mark.skipif(library() is None, reason="no C++ compiler")

SEEN = 71  # two parts of the cache and some slots
TABLES = [[5, 2, 6, 1, 3]]
# The token's own entry is rounded in one cache alone: by 2^-9 or half a code, in one of 72 slots.
BOUND = {torch.float32: 2e-5, torch.bfloat16: 5e-4, torch.int8: 2e-3}  # of the logits' deviation


def config_of(heads: int, dim: int) -> VL2Config:
    """Two layers of heads with keys and values of their own."""
    language = replace(
        MHA.language_config, num_hidden_layers=2, hidden_size=heads * dim, num_attention_heads=heads,
        num_key_value_heads=heads,
    )  # fmt: skip
    return replace(MHA, language_config=language)


def filled(config: VL2Config, dtype: torch.dtype) -> tuple[PagedCache, PagedCache]:
    """A cache of random entries in a type, and one of what they say in float32."""
    language = config.language_config
    cache, plain = (PagedCache.empty(language, num_blocks=6, dtype=d, device="cpu") for d in (dtype, torch.float32))
    values = torch.randn(plain.slots.shape)
    if dtype == torch.int8:
        cache.slots.copy_(store_entries(values, cache.group))
        plain.slots.copy_(read_entries(cache.slots, cache.width, cache.group))
    else:
        cache.slots.copy_(values)
        plain.slots.copy_(cache.slots)
    return cache, plain


def one_token() -> Batch:
    position = torch.tensor([[SEEN]])
    ones = torch.ones_like(position)
    return Batch(ones * 7, position, ones, torch.zeros_like(ones, dtype=torch.bool), None)


def logits(model: VL2, cache: PagedCache) -> Tensor:
    return model(one_token(), cache.view(TABLES, SEEN + 1)).logits[0, 0]


@pytest.mark.parametrize("dtype", list(BOUND), ids=str)
@pytest.mark.parametrize(
    ("heads", "dim"), [(5, 16), (17, 16), (32, 32), (3, 48), (5, 64), (2, 80), (10, 128), (2, 256), (6, 24), (0, 0)]
)
@torch.inference_mode()
def test_what_a_token_finds(heads: int, dim: int, dtype: torch.dtype) -> None:
    if dtype == torch.int8 and dim % 16:
        pytest.skip("codes come in groups of 16")
    config = config_of(heads, dim) if heads else MLA
    model = tiny_model(config)
    cache, plain = filled(config, dtype)
    expected = logits(model, plain)
    found = logits(pack_model(model), cache)
    assert (found - expected).abs().max() <= BOUND[dtype] * expected.std()
