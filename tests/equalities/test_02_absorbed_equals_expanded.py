"""Absorbed MLA = expanded MLA, alone and inside the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vl2.core.batch import Batch
from vl2.engine.cache import PagedCache
from vl2.kernels import Backends
from vl2.model import attention
from vl2.model.attention import MLA
from vl2.model.config import LanguageConfig, RopeScaling
from vl2.weights import load_model

TOLERANCE = 1e-5  # float32; outputs have a deviation of about 1
LOGIT_TOLERANCE = 1e-4  # float32; logits have a deviation of about 5
RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"


@st.composite
def configs(draw: st.DrawFn) -> LanguageConfig:
    return LanguageConfig(
        hidden_size=draw(st.integers(3, 40)),
        num_attention_heads=draw(st.integers(1, 5)),
        kv_lora_rank=draw(st.integers(1, 30)),
        q_lora_rank=draw(st.none() | st.integers(1, 20)),
        qk_nope_head_dim=draw(st.integers(1, 20)),
        qk_rope_head_dim=2 * draw(st.integers(1, 8)),
        v_head_dim=draw(st.integers(1, 20)),
        rope_scaling=draw(st.none() | st.just(RopeScaling(type="yarn", factor=4, mscale=0.7, mscale_all_dim=0.5))),
    )


@given(
    config=configs(), batch=st.integers(1, 3), new=st.integers(1, 9), old=st.integers(0, 20), seed=st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
@torch.no_grad()
def test_both_forms_agree(config: LanguageConfig, batch: int, new: int, old: int, seed: int) -> None:
    torch.manual_seed(seed)
    layer = MLA(config, 0)
    rope, rank, slots = config.qk_rope_head_dim, config.kv_lora_rank or 0, old + new
    query = torch.randn(batch, config.num_attention_heads, new, config.qk_nope_head_dim)
    query_rope = torch.randn(batch, config.num_attention_heads, new, rope)
    latent, rope_key = torch.randn(batch, slots, rank), torch.randn(batch, slots, rope)
    mask = torch.full((new, slots), -torch.inf).triu(old + 1).expand(batch, 1, -1, -1)
    inputs = (query, query_rope, latent, rope_key, mask, Backends())
    torch.testing.assert_close(layer.absorbed(*inputs), layer.expanded(*inputs), atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", ["b_small_mla", "c_base_noaux", "d_qlora_yarn_group"])
@torch.no_grad()
def test_the_model_answers_alike_in_both_forms(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(RECORDED / name / "checkpoint")
    ids = torch.arange(40).view(2, 20) * 7 + 11

    def logits(absorb_below: int) -> torch.Tensor:
        monkeypatch.setattr(attention, "ABSORB_BELOW_TOKENS", absorb_below)
        cache = PagedCache.empty(model.config.language_config, num_blocks=4, dtype=torch.float32, device="cpu")
        steps = [(0, 9), (9, 10), (10, 14), (14, 20)]  # a prefill, a token, chunks
        tables = [[1, 2], [4, 3]]
        return torch.cat([model(part(ids, *step), cache.view(tables, step[1])).logits for step in steps], dim=1)

    whole = model(part(ids, 0, 20)).logits
    torch.testing.assert_close(logits(1000), whole, atol=LOGIT_TOLERANCE, rtol=0)  # always absorbed
    torch.testing.assert_close(logits(0), whole, atol=LOGIT_TOLERANCE, rtol=0)  # never
    torch.testing.assert_close(logits(8), whole, atol=LOGIT_TOLERANCE, rtol=0)  # as shipped


def part(ids: torch.Tensor, start: int, end: int) -> Batch:
    """Return the tokens of two rows from one position to another."""
    chosen = ids[:, start:end]
    return Batch(
        input_ids=chosen,
        positions=torch.arange(start, end).expand_as(chosen),
        documents=torch.ones_like(chosen),
        image_mask=torch.zeros_like(chosen, dtype=torch.bool),
        tiles=None,
    )
