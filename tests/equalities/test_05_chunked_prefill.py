"""Chunked prefill = whole, for rows of unlike lengths."""

from dataclasses import replace

import pytest
import torch

from tests.engine import tiny
from vl2.engine.answer import generate as answers
from vl2.engine.encode import encode_images
from vl2.evaluation.parity.generation import generate

TOLERANCE = 1e-4  # float32; logits have a deviation of about 0.6


@pytest.mark.parametrize("name", tiny.NAMES)
@pytest.mark.parametrize("chunk_size", [1, 10, 64, 131])  # one token, an end of a prompt, and both MLA forms
def test_chunked_prefill_equals_whole(name: str, chunk_size: int) -> None:
    model, tokenizer = tiny.model_called(name), tiny.byte_tokenizer()
    requests = tiny.mixed_requests(tokenizer)[: 2 if chunk_size == 1 else 4]
    requests = [
        replace(one, visual_embeds=torch.cat(encode_images(model, one.prompt.tiles, one.prompt.grids)))
        if one.prompt.grids
        else one
        for one in requests
    ]
    found = generate(model, requests, tokenizer.pad_id, 1, chunk_size=chunk_size).last_logits
    expected = generate(model, requests, tokenizer.pad_id, 1).last_logits
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", tiny.NAMES)
def test_chunked_prefill_gives_the_same_answers(name: str) -> None:
    model, tokenizer = tiny.model_called(name), tiny.byte_tokenizer()
    requests = tiny.mixed_requests(tokenizer, max_new_tokens=12)
    whole = [answer.token_ids for answer in answers(model, tokenizer, requests)]
    assert [answer.token_ids for answer in answers(model, tokenizer, requests, chunk_size=50)] == whole
