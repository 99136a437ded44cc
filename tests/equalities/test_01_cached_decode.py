"""Cached decode = full forward."""

import pytest
import torch

from tests.engine import tiny
from vl2.core.batch import Batch
from vl2.core.tiles import TileGrid
from vl2.engine.cache import TokenCache
from vl2.engine.generate import decode, embed_prompts, prefill
from vl2.engine.request import Request

TOLERANCE = 1e-4  # float32; logits have a deviation of about 0.6


@pytest.mark.parametrize("name", ["mla", "mha"])
@torch.inference_mode()
def test_cached_decode_equals_full_forward(name: str) -> None:
    model, tokenizer = tiny.tiny_model(tiny.CONFIGS[name]), tiny.byte_tokenizer()
    whole = tiny.prompt(tokenizer, "\nA question and its answer.", (TileGrid(1, 2),))
    full = model(Batch.from_inputs([[whole]], tokenizer.pad_id)).logits[0]  # [T, V]

    num_answer = 12
    length = len(whole.input_ids) - num_answer
    cache = TokenCache.empty(
        model.config.language_config, num_rows=1, capacity=length + num_answer, dtype=torch.float32, device="cpu"
    )
    embeds = embed_prompts(model, [Request(prompt=whole)], tokenizer.pad_id)
    found = [prefill(model, embeds[:, :length], [length], cache, chunk_size=1024)]
    for position in range(length, length + num_answer):
        found.append(decode(model, [int(whole.input_ids[position])], [0], [position], cache))

    torch.testing.assert_close(torch.cat(found), full[length - 1 :], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["mla", "mha"])
@torch.inference_mode()
def test_cache_without_a_view_serves_the_model_directly(name: str) -> None:
    model, tokenizer = tiny.tiny_model(tiny.CONFIGS[name]), tiny.byte_tokenizer()
    batch = Batch.from_inputs([[tiny.prompt(tokenizer, "Hello there")], [tiny.prompt(tokenizer, "Hi")]], 2)
    cache = TokenCache.empty(model.config.language_config, num_rows=2, capacity=16, dtype=torch.float32, device="cpu")
    positions = torch.arange(batch.input_ids.shape[1]).expand_as(batch.input_ids)
    cached = model(Batch(**{**vars(batch), "positions": positions}), cache).logits
    full = model(batch).logits
    is_text = batch.documents > 0
    torch.testing.assert_close(cached[is_text], full[is_text], atol=TOLERANCE, rtol=0)
