"""Drafted = undrafted: the same events, whatever was guessed, and nothing wrong stays in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.engine import tiny
from tests.engine.oracle import ask_oracle
from tests.engine.test_generate import saying
from vl2.core.errors import ConfigError
from vl2.core.sample import ImagePart, Message, TextPart
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.events import StreamEvent
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.model import VL2
from vl2.processor import Processor, Tokenizer, open_image
from vl2.weights import find_checkpoint, load_model

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests" / "fixtures" / "parity"
CHECKPOINTS = ("a_tiny_mha", "b_small_mla", "c_base_noaux", "d_qlora_yarn_group", "pocket")
PICTURES = ("sign.png", "shapes.png")
QUESTIONS = ("\nRead the text. Read the text. Read", "\n<|ref|>the blue house<|/ref|>", "\nDescribe the picture.")
NUM_DRAFT_TOKENS = 6


@cache
def loaded(name: str) -> tuple[VL2, Processor]:
    folder = find_checkpoint("pocket") if name == "pocket" else RECORDED / name / "checkpoint"
    return load_model(folder, dtype=tiny.torch.float32), Processor.from_directory(folder).with_max_tiles(1)


@cache
def prompts(name: str) -> list[Request]:
    processor = loaded(name)[1]
    asked = [
        processor(
            (Message("user", (ImagePart(), TextPart(question))), Message("assistant", ())),
            [open_image(ROOT / "examples" / PICTURES[number % 2])],
        )
        for number, question in enumerate(QUESTIONS)
    ]
    text = TextPart("one two three four, one two three four, one two")
    asked.append(processor((Message("user", (text,)), Message("assistant", ())), []))
    return [Request(prompt=prompt) for prompt in asked]


def events_of(engine: Engine, requests: Sequence[Request]) -> list[list[StreamEvent]]:
    numbers = [engine.add(request) for request in requests]
    events: dict[int, list[StreamEvent]] = {number: [] for number in numbers}
    while engine.has_work:
        for event in engine.step():
            events[event.row].append(event)
    return [[replace(event, row=0) for event in events[number]] for number in numbers]


def engine_of(model: VL2, tokenizer: Tokenizer, **settings: int) -> Engine:
    return Engine(model, tokenizer, EngineSettings(**({"cache_tokens": 4096} | settings)))


def with_settings(requests: Sequence[Request], **values: object) -> list[Request]:
    return [replace(request, settings=SamplingSettings(**values)) for request in requests]  # type: ignore[arg-type]


def told(events: Sequence[Sequence[StreamEvent]]) -> list[list[tuple[object, ...]]]:
    return [[(event.token_ids, event.text, event.finish_reason) for event in row] for row in events]


def answers_of(requests: Sequence[Request], events: Sequence[Sequence[StreamEvent]]):
    return {
        tuple(request.prompt.input_ids.tolist()): [token for event in row for token in event.token_ids]
        for request, row in zip(requests, events, strict=True)
    }


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("penalty", [1.0, 1.2])
@pytest.mark.parametrize("source", ["lookup", "oracle"])
def test_the_events_are_those_without_drafts(name: str, penalty: float, source: str, monkeypatch) -> None:
    model, processor = loaded(name)
    asked = with_settings(prompts(name), max_new_tokens=24, repetition_penalty=penalty, top_logprobs=2)
    expected = events_of(engine_of(model, processor.tokenizer), asked)
    if source == "oracle":
        ask_oracle(monkeypatch, answers_of(asked, expected))
    engine = engine_of(model, processor.tokenizer, num_draft_tokens=NUM_DRAFT_TOKENS, max_running=3)
    found = events_of(engine, asked)
    assert told(found) == told(expected)
    for event, wanted in zip(sum(found, []), sum(expected, []), strict=True):
        assert (event.logprobs is None) == (wanted.logprobs is None)
        if event.logprobs and wanted.logprobs:
            assert event.logprobs.logprob == pytest.approx(wanted.logprobs.logprob, abs=1e-4)
    assert engine.num_drafted >= engine.num_accepted
    if source == "oracle":
        assert engine.num_drafted > engine.num_accepted > 0
    assert engine.pool.num_used == 0
    # what was left in the cache, answers included, serves another turn as if it had been computed there
    follow = [
        replace(one, prompt=continued(one, answer)) for one, answer in zip(asked, map(tokens_of, found), strict=True)
    ]
    cold = events_of(engine_of(model, processor.tokenizer), follow)
    before = engine.scheduler.num_reused
    assert told(events_of(engine, follow)) == told(cold)
    assert engine.scheduler.num_reused > before


def tokens_of(events: Sequence[StreamEvent]) -> list[int]:
    return [token for event in events for token in event.token_ids]


def continued(request: Request, answer: Sequence[int]):
    """The prompt, its answer and something more: what the next turn of a chat begins with."""
    prompt, more = request.prompt, tiny.torch.tensor([*answer, 7, 8])
    ids = tiny.torch.cat((prompt.input_ids, more))
    mask = tiny.torch.cat((prompt.image_mask, tiny.torch.zeros_like(more, dtype=tiny.torch.bool)))
    return replace(prompt, input_ids=ids, labels=ids, image_mask=mask)


SAID = "abcdef🙂"  # ten tokens: six letters and four bytes


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_new_tokens": 10},
        {"max_new_tokens": 3},
        {"max_new_tokens": 8},  # within a character
        {"stop": ("cd",)},
        {"stop": ("cd",), "max_new_tokens": 4},
        {"stop": ("cd",), "max_new_tokens": 3},
        {"stop": ("cx", "🙂🙂")},
        {"stop": ("f🙂",)},
        {"stop": ("a",)},
    ],
)
def test_an_answer_ends_in_the_middle_of_a_draft(settings: dict[str, object], seed: int, monkeypatch) -> None:
    tokenizer = tiny.byte_tokenizer()
    model, asked = saying(SAID), with_settings([Request(prompt=tiny.prompt(tokenizer, "?"))], **settings)
    expected = events_of(engine_of(model, tokenizer), asked)
    known = [*tokenizer.encode(SAID), tokenizer.eos_id, 7, 8]
    ask_oracle(monkeypatch, {tuple(asked[0].prompt.input_ids.tolist()): known}, seed)
    engine = engine_of(model, tokenizer, num_draft_tokens=8, block_size=4)
    assert events_of(engine, asked) == expected
    assert engine.pool.num_used == 0


def test_right_drafts_save_steps_and_are_counted(monkeypatch) -> None:
    tokenizer = tiny.byte_tokenizer()
    request = Request(prompt=tiny.prompt(tokenizer, "?"))
    engine = engine_of(saying(SAID), tokenizer, num_draft_tokens=5)
    ask_oracle(monkeypatch, {tuple(request.prompt.input_ids.tolist()): tokenizer.encode(SAID)}, seed=1)
    monkeypatch.setattr("tests.engine.oracle.random.Random.random", lambda self: 1.0)  # no mistakes
    engine.add(request)
    counts = []
    while engine.has_work:
        counts.append(sum(len(event.token_ids) for event in engine.step()))
    assert counts == [1, 6, 3]
    assert (engine.num_drafted, engine.num_accepted) == (8, 8)


def test_only_greedy_answers_are_drafted() -> None:
    model, processor = loaded("b_small_mla")
    engine = engine_of(model, processor.tokenizer, num_draft_tokens=4)
    asked = with_settings(prompts("b_small_mla")[3:], max_new_tokens=20, temperature=0.3, seed=1)
    events_of(engine, asked)
    assert engine.num_drafted == 0


def test_drafts_take_no_blocks_from_others(monkeypatch) -> None:
    model, tokenizer = tiny.tiny_model(), tiny.byte_tokenizer()
    asked = with_settings([Request(prompt=tiny.prompt(tokenizer, text)) for text in ("How", "Who")], max_new_tokens=12)
    plain = engine_of(model, tokenizer, cache_tokens=32, block_size=4)
    expected = events_of(plain, asked)
    assert plain.scheduler.num_preempted == 0
    wrong = {key: [5] * 30 for key in answers_of(asked, expected)}
    ask_oracle(monkeypatch, wrong)
    engine = engine_of(model, tokenizer, cache_tokens=32, block_size=4, num_draft_tokens=9)
    assert told(events_of(engine, asked)) == told(expected)
    assert engine.scheduler.num_preempted == 0
    assert engine.num_drafted > 0


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="num_draft_tokens"):
        EngineSettings(cache_tokens=64, num_draft_tokens=-1)
