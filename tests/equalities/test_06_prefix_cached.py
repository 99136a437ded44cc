"""Prefix-cached = cold: an engine that has seen a prompt's beginning answers as one that has not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vl2.core.batch import ModelInput
from vl2.core.sample import ImagePart, Message, TextPart
from vl2.engine.answer import generate
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.model import VL2
from vl2.processor import Processor
from vl2.weights import load_model
from vl2.weights.pack import pack_model

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
NAMES = ("a_tiny_mha", "b_small_mla", "c_base_noaux", "d_qlora_yarn_group")
QUESTIONS = ("\nWhat is this?", "\nWhat is this, and where?", "\nRead the text.")
SETTINGS = SamplingSettings(max_new_tokens=12)


def prompt(processor: Processor, question: str, seed: int) -> ModelInput:
    pixels = torch.randint(0, 256, (300, 500, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    asked = (Message("user", (ImagePart(), TextPart(question))), Message("assistant", ()))
    return processor(asked, [pixels.numpy()])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prepare", [lambda model: model, pack_model], ids=["plain", "packed"])
def test_a_warm_engine_answers_as_a_cold_one(name: str, prepare: Callable[[VL2], VL2]) -> None:
    directory = RECORDED / name / "checkpoint"
    model, processor = prepare(load_model(directory)), Processor.from_directory(directory)
    requests = [
        Request(prompt=prompt(processor, question, seed), settings=SETTINGS)
        for seed in (0, 1)
        for question in QUESTIONS
    ]
    cold = [list(generate(model, processor.tokenizer, [request])[0].token_ids) for request in requests]
    engine = Engine(model, processor.tokenizer, EngineSettings(cache_tokens=8192))
    said: dict[int, list[int]] = {}
    for request in requests:
        number = engine.add(request)
        said[number] = []
        while engine.has_work:
            for event in engine.step():
                said[event.row] += event.token_ids
    assert list(said.values()) == cold
    visual = int(requests[0].prompt.image_mask.sum())
    assert engine.scheduler.num_reused >= 4 * (visual - engine.settings.block_size)  # each image was new once
    assert engine.features.num_misses == 2
