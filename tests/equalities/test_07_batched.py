"""Batched = one by one: greedy and sampled, with rows that end at different times."""

from dataclasses import replace

import pytest

from tests.engine import tiny
from vl2.engine.answer import generate
from vl2.engine.sampler import SamplingSettings

SETTINGS = {
    "greedy": {"max_new_tokens": 12},
    "penalized": {"max_new_tokens": 12, "repetition_penalty": 1.1},
    "sampled": {"max_new_tokens": 12, "temperature": 0.8, "top_p": 0.9, "top_k": 50, "seed": 7},
}


@pytest.mark.parametrize("name", tiny.NAMES)
@pytest.mark.parametrize("kind", SETTINGS)
def test_batched_equals_one_by_one(name: str, kind: str) -> None:
    model, tokenizer = tiny.model_called(name), tiny.byte_tokenizer()
    requests = tiny.mixed_requests(tokenizer, **SETTINGS[kind])
    together = generate(model, tokenizer, requests)
    alone = [generate(model, tokenizer, [request])[0] for request in requests]
    assert [answer.token_ids for answer in together] == [answer.token_ids for answer in alone]
    assert [answer.text for answer in together] == [answer.text for answer in alone]


def test_rows_with_settings_of_their_own() -> None:
    model, tokenizer = tiny.tiny_model(), tiny.byte_tokenizer()
    requests = [
        replace(request, settings=SamplingSettings(max_new_tokens=number * 5 + 1, temperature=number, seed=number))
        for number, request in enumerate(tiny.mixed_requests(tokenizer))
    ]
    together = generate(model, tokenizer, requests[::-1])[::-1]
    assert [len(answer.token_ids) for answer in together] == [1, 6, 11, 16]
    alone = [generate(model, tokenizer, [request])[0].token_ids for request in requests]
    assert [answer.token_ids for answer in together] == alone
