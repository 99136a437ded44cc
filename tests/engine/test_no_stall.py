"""A new request with a long prompt and an image reads it in chunks; every running one says a token a step meanwhile."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vl2.core.sample import ImagePart, Message, TextPart
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.model import VL2
from vl2.processor import Processor
from vl2.weights import find_checkpoint, load_model
from vl2.weights.pack import pack_model

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
NUM_RUNNING = 3
NUM_WORDS = 900


class Unending:
    """A constraint: anything but the end."""

    def __init__(self, vocab_size: int, eos_id: int) -> None:
        self.may_come = torch.arange(vocab_size) != eos_id  # [V]

    def allowed(self) -> Tensor:
        return self.may_come

    def accept(self, token_id: int) -> None:
        """Remember nothing."""


@cache
def loaded(name: str) -> tuple[VL2, Processor]:
    """Pocket, or a recorded checkpoint, as `vl2.load` has it."""
    directory = find_checkpoint("pocket") if name == "pocket" else RECORDED / name / "checkpoint"
    return pack_model(load_model(directory)), Processor.from_directory(directory)


def request(name: str, text: str, *, seed: int | None = None) -> Request:
    model, processor = loaded(name)
    generator = torch.Generator().manual_seed(seed or 0)
    pixels = torch.randint(0, 256, (300, 500, 3), generator=generator, dtype=torch.uint8).numpy()
    pictures = [] if seed is None else [pixels]
    parts = (*(ImagePart() for _ in pictures), TextPart(text))
    prompt = processor((Message("user", parts), Message("assistant", ())), pictures)
    constraint = Unending(model.config.language_config.vocab_size, processor.tokenizer.eos_id)
    return Request(prompt=prompt, settings=SamplingSettings(max_new_tokens=500), constraint=constraint)


@pytest.mark.parametrize("step_tokens", [24, 150, 1024])
@pytest.mark.parametrize("name", ["pocket", "a_tiny_mha", "c_base_noaux"])
def test_a_long_prompt_stalls_nobody(name: str, step_tokens: int, seen: list[int]) -> None:
    model, processor = loaded(name)
    settings = EngineSettings(cache_tokens=8192, step_tokens=step_tokens)
    engine = Engine(model, processor.tokenizer, settings)
    running = [engine.add(request(name, f"Number {number}?")) for number in range(NUM_RUNNING)]
    while len(engine.step()) < NUM_RUNNING:  # until all prompts are read
        pass
    newcomer = request(name, "\nRead it all." + " word" * NUM_WORDS, seed=1)
    assert newcomer.num_image_tokens > 0
    number = engine.add(newcomer)
    seen.clear()
    num_tiles = len(newcomer.prompt.tiles)  # one a step; the prompt begins in the step of the last
    num_chunks = -(-newcomer.num_prompt_tokens // (step_tokens - NUM_RUNNING))  # one token of each running one first
    num_steps = num_tiles - 1 + num_chunks
    assert min(num_tiles, num_chunks) > 1
    said = [[event.row for event in engine.step()] for _ in range(num_steps + 2)]
    assert said == [running] * (num_steps - 1) + [[*running, number]] * 3
    assert seen == [1] * num_tiles


def test_two_long_prompts_and_a_step_hardly_larger_than_what_runs() -> None:
    model, processor = loaded("a_tiny_mha")
    engine = Engine(model, processor.tokenizer, EngineSettings(cache_tokens=8192, step_tokens=NUM_RUNNING + 1))
    running = [engine.add(request("a_tiny_mha", "Go on.")) for _ in range(NUM_RUNNING)]
    while len(engine.step()) < NUM_RUNNING:
        pass
    newcomers = [request("a_tiny_mha", f"\n{text}") for text in ("One.", "Another one.")]
    first, _ = [engine.add(newcomer) for newcomer in newcomers]
    num_steps = newcomers[0].num_prompt_tokens  # one token a step is left
    said = [[event.row for event in engine.step()] for _ in range(num_steps)]
    assert said == [running] * (num_steps - 1) + [[*running, first]]
