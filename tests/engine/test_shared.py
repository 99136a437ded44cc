"""Callers that share an engine: each gets its own answer, and a broken step breaks no later one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import vl2
from tests.engine import tiny
from vl2.core.errors import VL2Error
from vl2.engine.answer import generate
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.events import StreamEvent
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.engine.shared import SharedEngine

TOKENIZER = tiny.byte_tokenizer()
MODEL = tiny.tiny_model()
TEXTS = ("How many?", "Which?", "Where is it?")


def request_of(text: str, count: int = 8) -> Request:
    return Request(prompt=tiny.prompt(TOKENIZER, text), settings=SamplingSettings(max_new_tokens=count))


def alone(text: str, count: int = 8) -> list[int]:
    return list(generate(MODEL, TOKENIZER, [request_of(text, count)])[0].token_ids)


def tokens(events: list[StreamEvent]) -> list[int]:
    return [token for event in events for token in event.token_ids]


class Counted:
    """A shared engine and the engines that it has made."""

    def __init__(self, cache_tokens: int = 512) -> None:
        self.made: list[Engine] = []
        self.cache_tokens = cache_tokens
        self.shared = SharedEngine(self._make)

    def _make(self) -> Engine:
        self.made.append(Engine(MODEL, TOKENIZER, EngineSettings(cache_tokens=self.cache_tokens)))
        return self.made[-1]


def test_answers_read_in_turns_are_those_of_each_alone():
    counted = Counted()
    streams = [counted.shared.stream(request_of(text)) for text in TEXTS]
    events = [[next(stream)] for stream in streams]
    for stream, own in zip(reversed(streams), reversed(events), strict=True):
        own.extend(stream)
    assert [tokens(own) for own in events] == [alone(text) for text in TEXTS]
    assert len(counted.made) == 1


def test_threads_are_answered_side_by_side():
    counted = Counted()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: tokens(list(counted.shared.stream(request_of(text)))), TEXTS * 3))
    assert found == [alone(text) for text in TEXTS * 3]


def test_nothing_is_computed_unasked_and_who_leaves_frees_its_room():
    counted = Counted(cache_tokens=64)
    stream = counted.shared.stream(request_of(TEXTS[0], 50))
    assert not counted.made
    first = next(stream)
    engine = counted.made[0]
    assert tokens([first]) == alone(TEXTS[0])[:1]
    stream.close()
    assert tokens(list(counted.shared.stream(request_of(TEXTS[1], 50)))) == alone(TEXTS[1], 50)
    list(counted.shared.stream(request_of(TEXTS[2], 1)))  # the last one to leave is forgotten at the next request
    assert engine.scheduler.num_preempted == 0 and engine.pool.num_used == 0


def test_what_came_before_is_not_computed_again():
    counted = Counted()
    list(counted.shared.stream(request_of("The quick brown fox jumps over it")))
    list(counted.shared.stream(request_of("The quick brown fox jumps over them")))
    assert counted.made[0].scheduler.num_reused == 32


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_step_that_fails_ends_what_is_under_way_and_no_more(error, monkeypatch):
    counted = Counted()
    streams = [counted.shared.stream(request_of(text)) for text in TEXTS[:2]]
    for stream in streams:
        next(stream)

    def fail() -> list[StreamEvent]:
        raise error

    monkeypatch.setattr(counted.made[0], "step", fail)
    with pytest.raises(error):
        list(streams[0])
    with pytest.raises(VL2Error, match="stopped in the middle"):
        list(streams[1])
    assert tokens(list(counted.shared.stream(request_of(TEXTS[2])))) == alone(TEXTS[2])
    assert len(counted.made) == 2


def test_the_turns_of_a_chat_share_what_was_computed(tmp_path: Path):
    folder = tiny.write_checkpoint(tmp_path / "checkpoint")
    pixels = np.random.default_rng(0).integers(0, 255, (60, 150, 3), dtype=np.uint8)

    def asking(image: np.ndarray) -> dict[str, object]:
        return {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": "What?"}]}

    assistant = vl2.load(folder)
    said = assistant.chat([asking(pixels)], max_new_tokens=6).text
    turns = [asking(pixels), {"role": "assistant", "content": said}, {"role": "user", "content": "And where?"}]
    second = assistant.chat(turns, max_new_tokens=6)
    assert (assistant.features.num_misses, assistant.features.num_hits) == (1, 0), "its blocks were still there"
    assert second.text == vl2.load(folder).chat(turns, max_new_tokens=6).text
    other = assistant.chat([asking(255 - pixels)], max_new_tokens=6)
    assert assistant.features.num_misses == 2, "an image of equal size is another image"
    assert other.text == vl2.load(folder).chat([asking(255 - pixels)], max_new_tokens=6).text
    assistant.ask([pixels], "Another question", max_new_tokens=1)  # other tokens before the image: no block serves
    assert (assistant.features.num_misses, assistant.features.num_hits) == (2, 1), "encoded once"
