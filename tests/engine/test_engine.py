"""Requests that come, go, share prefixes and lose their blocks are each answered as they would be alone."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from functools import cache

import pytest
import torch

from tests.engine import tiny
from tests.engine.oracle import ask_oracle
from vl2.core.errors import VL2Error
from vl2.core.tiles import TileGrid
from vl2.engine.answer import generate
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.features import DEFAULT_FEATURE_BYTES
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings

TOKENIZER = tiny.byte_tokenizer()
NUM_SCHEDULES = int(os.environ.get("VL2_SCHEDULES", "40"))
TEXTS = ("How many?", "\nWhich one?", "\nWhich one is it, the left or the right?", "\nRead the text, all of it.")
PICTURES: tuple[tuple[TileGrid, ...], ...] = ((), (), (TileGrid(1, 1),), (TileGrid(1, 1), TileGrid(1, 1)))


@cache
def model_of(name: str):
    return tiny.model_called(name)


@cache
def prompt_of(text: int, picture: int, pixels: int):
    return tiny.prompt(TOKENIZER, TEXTS[text], PICTURES[picture], seed=pixels)


def request_of(text: int, picture: int, pixels: int, count: int) -> Request:
    return Request(prompt=prompt_of(text, picture, pixels), settings=SamplingSettings(max_new_tokens=count))


@cache
def lone_answer(name: str, text: int, picture: int, pixels: int) -> tuple[int, ...]:
    """Return twelve greedy tokens, computed alone by a cold engine."""
    return generate(model_of(name), TOKENIZER, [request_of(text, picture, pixels, 12)])[0].token_ids


def run(engine: Engine) -> dict[int, list[int]]:
    said: dict[int, list[int]] = {}
    while engine.has_work:
        for event in engine.step():
            said.setdefault(event.row, []).extend(event.token_ids)
    return said


def known_answers(name: str) -> dict[tuple[int, ...], tuple[int, ...]]:
    """The answers of all prompts without pictures, by their tokens."""
    texts = range(len(TEXTS))
    return {tuple(prompt_of(text, 0, 0).input_ids.tolist()): lone_answer(name, text, 0, 0) for text in texts}


@pytest.mark.parametrize("drafted", [False, True], ids=["undrafted", "drafted"])
@pytest.mark.parametrize("seed", range(NUM_SCHEDULES))
def test_any_schedule_gives_everyone_the_lone_answer(seed: int, drafted: bool, monkeypatch) -> None:
    rng = random.Random(seed)
    name = rng.choice(tiny.NAMES)
    num_pictures = rng.choice((1, len(PICTURES)))  # without pictures, a cache so small that blocks run out
    settings = EngineSettings(
        cache_tokens=rng.choice((64, 80) if num_pictures == 1 else (256, 400, 1000)), max_running=rng.randint(1, 5),
        step_tokens=rng.choice((7, 33, 150, 1024)), block_size=rng.choice((4, 16)),
        num_draft_tokens=rng.choice((1, 3, 9)) if drafted else 0, step_tiles=rng.choice((None, 1, 3)),
        feature_bytes=rng.choice((0, DEFAULT_FEATURE_BYTES)),
    )  # fmt: skip
    if drafted and rng.random() < 0.7:
        ask_oracle(monkeypatch, known_answers(name), seed)
    engine = Engine(model_of(name), TOKENIZER, settings)
    asked: dict[int, tuple[tuple[int, int, int], int]] = {}
    said: dict[int, list[int]] = {}
    dropped: set[int] = set()
    arrivals = rng.randint(3, 8)
    while arrivals or engine.has_work:
        if arrivals and rng.random() < 0.4:
            arrivals -= 1
            what = (rng.randrange(len(TEXTS)), rng.randrange(num_pictures), rng.randrange(2))
            count = rng.randint(1, 12)
            asked[engine.add(request_of(*what, count))] = (what, count)
        if asked and rng.random() < 0.05:
            dropped.add(number := rng.choice(list(asked)))
            engine.abort(number)
        for event in engine.step():
            said.setdefault(event.row, []).extend(event.token_ids)
    for number, (what, count) in asked.items():
        found, expected = tuple(said.get(number, ())), lone_answer(name, *what)[:count]
        assert found == (expected[: len(found)] if number in dropped else expected)
    assert engine.pool.num_used == 0
    assert engine.pool.num_available == engine.pool.num_blocks


def test_preempted_equals_unpreempted_when_sampling() -> None:
    model = model_of("mla")
    requests = [
        replace(one, settings=SamplingSettings(max_new_tokens=30, temperature=0.9, seed=number))
        for number, one in enumerate([request_of(text, 0, 0, 1) for text in range(4)])
    ]
    alone = [list(generate(model, TOKENIZER, [one])[0].token_ids) for one in requests]
    engine = Engine(model, TOKENIZER, EngineSettings(cache_tokens=96, block_size=4))
    numbers = [engine.add(one) for one in requests]
    said = run(engine)
    assert engine.scheduler.num_preempted > 0
    assert [said[number] for number in numbers] == alone


def test_an_image_is_encoded_once_and_two_images_are_never_mixed_up(seen: list[int]) -> None:
    engine = Engine(model_of("mla"), TOKENIZER, EngineSettings(cache_tokens=2000))
    first = engine.add(request_of(1, 2, 0, 6))
    run_first = run(engine)[first]
    again = engine.add(request_of(2, 2, 0, 6))  # another question about the same image
    other = engine.add(request_of(2, 2, 1, 6))  # the same question about an image of equal size
    said = run(engine)
    assert seen == [1, 1]
    assert engine.scheduler.num_reused >= 80  # of its 85 visual tokens
    assert run_first == list(lone_answer("mla", 1, 2, 0)[:6])
    assert said[again] == list(lone_answer("mla", 2, 2, 0)[:6])
    assert said[other] == list(lone_answer("mla", 2, 2, 1)[:6])


def test_images_of_requests_that_start_together_are_encoded_together(seen: list[int]) -> None:
    engine = Engine(model_of("mla"), TOKENIZER, EngineSettings(cache_tokens=2000))
    engine.add(request_of(0, 2, 0, 2))
    engine.add(request_of(0, 3, 1, 2))
    run(engine)
    assert seen == [3]


def test_images_that_come_while_others_are_answered_are_encoded_once(seen: list[int]) -> None:
    model, grids = model_of("mla"), (TileGrid(1, 2), TileGrid(1, 1))  # four tiles
    requests = [
        Request(prompt=tiny.prompt(TOKENIZER, text, grids, seed=0), settings=SamplingSettings(max_new_tokens=6))
        for text in TEXTS[:3]
    ]
    expected = [list(generate(model, TOKENIZER, [one])[0].token_ids) for one in requests]
    seen.clear()
    engine = Engine(model, TOKENIZER, EngineSettings(cache_tokens=2000, step_tiles=1))
    engine.add(request_of(0, 0, 0, 12))
    engine.step()
    dropped, *kept = [engine.add(one) for one in requests]
    engine.step()
    engine.abort(dropped)
    said = run(engine)
    assert seen == [1] * 5, "a tile of the request that left, then each of the images once"
    assert [said[number] for number in kept] == expected[1:]


def test_no_more_images_are_seen_ahead_than_can_soon_be_answered(seen: list[int]) -> None:
    engine = Engine(model_of("mla"), TOKENIZER, EngineSettings(cache_tokens=2000, max_running=1))
    numbers = [engine.add(request_of(0, 2, pixels, 4)) for pixels in range(4)]
    first = [token for event in engine.step() for token in event.token_ids]
    assert seen == [1]
    said = run(engine)
    said[numbers[0]] = first + said[numbers[0]]
    assert [said[number] for number in numbers] == [list(lone_answer("mla", 0, 2, pixels)[:4]) for pixels in range(4)]


def test_a_request_whose_parts_do_not_fit_is_refused_alone() -> None:
    engine = Engine(model_of("mla"), TOKENIZER, EngineSettings(cache_tokens=2000))
    well = engine.add(request_of(0, 0, 0, 8))
    pictured = request_of(0, 2, 0, 8)
    prompt, none = pictured.prompt, torch.zeros(0, dtype=torch.long)
    for wrong in (
        replace(pictured, prompt=replace(prompt, image_mask=torch.ones_like(prompt.image_mask))),
        replace(pictured, prompt=replace(prompt, tiles=prompt.tiles[:, :, 1:])),
        replace(pictured, visual_embeds=torch.zeros(pictured.num_image_tokens, 3)),
        replace(request_of(0, 0, 0, 8), prompt=replace(prompt_of(0, 0, 0), input_ids=none, image_mask=none.bool())),
    ):
        with pytest.raises(VL2Error):
            engine.add(wrong)
    assert run(engine)[well] == list(lone_answer("mla", 0, 0, 0)[:8])


def test_a_batch_in_which_one_breaks_keeps_the_others() -> None:
    requests = [request_of(0, 0, 0, 8), replace(request_of(2, 0, 0, 8), constraint=Failing()), request_of(1, 0, 0, 8)]
    first, broken, last = generate(model_of("mla"), TOKENIZER, requests)
    assert (first.token_ids, last.token_ids) == (lone_answer("mla", 0, 0, 0)[:8], lone_answer("mla", 1, 0, 0)[:8])
    assert (broken.finish_reason, len(broken.token_ids)) == ("error", 2) and "no token may come" in str(broken.error)


def test_more_requests_than_run_side_by_side_are_all_answered(monkeypatch) -> None:
    monkeypatch.setattr("vl2.engine.generate.MOST_RUNNING", 2)
    requests = [request_of(text, 0, 0, 4 + text) for text in range(4)]
    answers = generate(model_of("mla"), TOKENIZER, requests)
    expected = [lone_answer("mla", text, 0, 0)[: 4 + text] for text in range(4)]
    assert [answer.token_ids for answer in answers] == expected


def test_a_new_request_speaks_while_others_go_on() -> None:
    engine = Engine(model_of("mla"), TOKENIZER, EngineSettings(cache_tokens=2000, step_tokens=64))
    first = engine.add(request_of(0, 0, 0, 40))
    engine.step()
    late = engine.add(request_of(3, 2, 0, 4))  # 112 tokens: two chunks
    heard = [[event.row for event in engine.step()] for _ in range(2)]
    assert heard == [[first], [first, late]]


def test_a_request_that_can_never_fit_is_refused_and_leaves_nothing() -> None:
    engine = Engine(model_of("mla"), TOKENIZER, EngineSettings(cache_tokens=64))
    with pytest.raises(VL2Error, match="too small for this request"):
        engine.add(request_of(0, 2, 0, 4))
    assert not engine.has_work


def test_features_are_bounded() -> None:
    from vl2.engine.features import FeatureCache

    kept = FeatureCache(max_bytes=100)
    for key in (b"a", b"b"):
        kept.put(key, torch.zeros(10))  # 40 bytes
    assert kept.get(b"a") is not None
    kept.put(b"c", torch.zeros(10))
    assert kept.get(b"b") is None and kept.get(b"a") is not None and kept.num_bytes == 80
    kept.put(b"huge", torch.zeros(100))
    assert kept.get(b"huge") is None and (kept.num_hits, kept.num_misses) == (2, 2)


class Failing:
    """A constraint that breaks at its third token."""

    def __init__(self) -> None:
        self.num_asked = 0

    def allowed(self) -> torch.Tensor:
        self.num_asked += 1
        if self.num_asked == 3:
            raise ValueError("no token may come")
        return torch.ones(model_of("mla").config.language_config.vocab_size, dtype=torch.bool)

    def accept(self, token_id: int) -> None:
        """Remember nothing."""


def test_a_request_that_breaks_ends_alone() -> None:
    engine = Engine(model_of("mla"), TOKENIZER, EngineSettings(cache_tokens=2000))
    well = [engine.add(request_of(text, 0, 0, 8)) for text in (0, 1)]
    ill = engine.add(replace(request_of(2, 0, 0, 8), constraint=Failing()))
    events = []
    while engine.has_work:
        events += engine.step()
    last = [event for event in events if event.row == ill][-1]
    assert last.finish_reason == "error" and "no token may come" in str(last.error)
    for number, text in zip(well, (0, 1), strict=True):
        said = [token for event in events if event.row == number for token in event.token_ids]
        assert said == list(lone_answer("mla", text, 0, 0)[:8])
    assert engine.pool.num_used == 0


def test_an_answer_says_how_much_of_its_prompt_was_cached() -> None:
    engine = Engine(model_of("mla"), TOKENIZER, EngineSettings(cache_tokens=2000, block_size=4))
    cached = []
    for _ in range(2):
        engine.add(request_of(3, 2, 0, 2))
        while engine.has_work:
            cached += [event.num_cached for event in engine.step() if event.finish_reason]
    num_prompt = request_of(3, 2, 0, 2).num_prompt_tokens
    assert cached == [0, (num_prompt - 1) // 4 * 4]
