"""On the recorded checkpoints the packed engine says what the plain one says: alone, batched, chunked, streamed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vl2.core.sample import ImagePart, Message, TextPart
from vl2.engine.answer import generate
from vl2.engine.generate import stream
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.kernels.native.library import library
from vl2.processor import Processor
from vl2.weights import load_model
from vl2.weights.pack import pack_model

pytestmark = pytest.mark.skipif(library() is None, reason="no C++ compiler")

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
QUESTIONS = (("\nWhat is this?", (300, 500)), ("\nRead.", (64, 64)), ("Hello.", None), ("\nWhere is it?", (500, 200)))
SETTINGS = SamplingSettings(max_new_tokens=10)


def requests_of(processor: Processor) -> list[Request]:
    generator = torch.Generator().manual_seed(0)
    found = []
    for text, size in QUESTIONS:
        pictures = [] if size is None else [torch.randint(0, 256, (*size, 3), generator=generator, dtype=torch.uint8)]
        parts = (*(ImagePart() for _ in pictures), TextPart(text))
        prompt = processor((Message("user", parts), Message("assistant", ())), [p.numpy() for p in pictures])
        found.append(Request(prompt=prompt, settings=SETTINGS))
    return found


@pytest.mark.parametrize("name", ["a_tiny_mha", "b_small_mla", "c_base_noaux", "d_qlora_yarn_group"])
def test_the_packed_engine_says_the_same(name: str) -> None:
    directory = RECORDED / name / "checkpoint"
    model, processor = load_model(directory, dtype=torch.float32), Processor.from_directory(directory)
    requests, tokenizer = requests_of(processor), processor.tokenizer
    plain = [generate(model, tokenizer, [request])[0].token_ids for request in requests]
    pack_model(model)
    assert [generate(model, tokenizer, [request])[0].token_ids for request in requests] == plain
    assert [answer.token_ids for answer in generate(model, tokenizer, requests)] == plain
    assert [answer.token_ids for answer in generate(model, tokenizer, requests, chunk_size=37)] == plain
    streamed: list[list[int]] = [[] for _ in requests]
    for event in stream(model, tokenizer, requests):
        streamed[event.row] += event.token_ids
    assert [tuple(tokens) for tokens in streamed] == [tuple(tokens) for tokens in plain]
