"""Chunked prefill = whole, for rows of unlike lengths."""

import pytest
import torch

from tests.engine import tiny
from vl2.engine.answer import generate
from vl2.engine.cache import TokenCache
from vl2.engine.generate import embed_prompts, prefill

TOLERANCE = 1e-4  # float32; logits have a deviation of about 0.6


@pytest.mark.parametrize("name", ["mla", "mha"])
@pytest.mark.parametrize("chunk_size", [1, 10, 64, 131])  # one token, an end of a prompt, and both MLA forms
@torch.inference_mode()
def test_chunked_prefill_equals_whole(name: str, chunk_size: int) -> None:
    model, tokenizer = tiny.tiny_model(tiny.CONFIGS[name]), tiny.byte_tokenizer()
    requests = tiny.mixed_requests(tokenizer)[: 2 if chunk_size == 1 else 4]
    embeds = embed_prompts(model, requests, tokenizer.pad_id)
    lengths = [request.num_prompt_tokens for request in requests]

    def last_logits(size: int) -> torch.Tensor:
        config = model.config.language_config
        cache = TokenCache.empty(
            config, num_rows=len(lengths), capacity=max(lengths), dtype=torch.float32, device="cpu"
        )
        return prefill(model, embeds, lengths, cache, size)

    torch.testing.assert_close(last_logits(chunk_size), last_logits(4096), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["mla", "mha"])
def test_chunked_prefill_gives_the_same_answers(name: str) -> None:
    model, tokenizer = tiny.tiny_model(tiny.CONFIGS[name]), tiny.byte_tokenizer()
    requests = tiny.mixed_requests(tokenizer, max_new_tokens=12)
    whole = [answer.token_ids for answer in generate(model, tokenizer, requests)]
    assert [answer.token_ids for answer in generate(model, tokenizer, requests, chunk_size=50)] == whole
