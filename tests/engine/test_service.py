"""The service answers from threads and event loops, cancels one answer without touching another, and closes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine import tiny
from vl2.core.errors import VL2Error
from vl2.core.sample import TextPart
from vl2.engine.answer import generate
from vl2.engine.conversation import asking
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.engine.service import EngineService

TOKENIZER = tiny.byte_tokenizer()
TEXTS = ("How many?", "Which?", "Where is it?")


def request_of(text: str, count: int = 8) -> Request:
    return Request(prompt=tiny.prompt(TOKENIZER, text), settings=SamplingSettings(max_new_tokens=count))


@pytest.fixture(scope="module")
def model():
    return tiny.tiny_model()


@pytest.fixture
def service(model):
    with EngineService(Engine(model, TOKENIZER, EngineSettings(cache_tokens=512))) as service:
        yield service


def alone(model, text: str, count: int = 8) -> list[int]:
    return list(generate(model, TOKENIZER, [request_of(text, count)])[0].token_ids)


def said(ticket) -> list[int]:
    return [token for event in ticket for token in event.token_ids]


def test_many_threads_each_get_their_answer(service, model):
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda text: said(service.submit(request_of(text))), TEXTS * 2))
    assert found == [alone(model, text) for text in TEXTS * 2]


def test_an_event_loop_reads_several_answers_at_once(service, model):
    async def read(text: str) -> list[int]:
        return [token async for event in service.submit(request_of(text)) for token in event.token_ids]

    async def everyone() -> list[list[int]]:
        return await asyncio.gather(*map(read, TEXTS))

    assert asyncio.run(everyone()) == [alone(model, text) for text in TEXTS]


def test_who_stops_listening_frees_the_blocks_and_nobody_else_notices(service, model):
    long = iter(service.submit(request_of(TEXTS[0], 200)))
    next(long)
    other = said(service.submit(request_of(TEXTS[1])))
    long.close()
    assert other == alone(model, TEXTS[1])
    assert said(service.submit(request_of(TEXTS[2]))) == alone(model, TEXTS[2])
    assert service.engine.pool.num_used == 0 and not service.engine.has_work


def test_a_loop_that_was_closed_ends_nobody_else(service, model):
    async def read_one() -> None:
        async for _ in service.submit(request_of(TEXTS[0], 100)):
            return

    asyncio.run(read_one())
    assert said(service.submit(request_of(TEXTS[1]))) == alone(model, TEXTS[1])
    assert service.is_running


def test_who_cancels_before_the_start_does_not_wait(service):
    ticket = service.submit(request_of(TEXTS[0]))
    ticket.cancel()
    assert said(ticket) == []


def test_what_can_never_fit_is_refused_where_it_is_asked(service):
    with pytest.raises(VL2Error, match="too small for this request"):
        service.submit(request_of(TEXTS[0], 5000))


def test_what_cannot_be_added_ends_alone(service, model, monkeypatch):
    broken, add = request_of(TEXTS[0]), service.engine.add
    monkeypatch.setattr(service.engine, "add", lambda request: 1 / 0 if request is broken else add(request))
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(lambda text: list(service.submit(request_of(text))), text) for text in TEXTS]
        (event,) = service.submit(broken)
        assert event.finish_reason == "error" and event.error is not None
        for text, answer in zip(TEXTS, answers, strict=True):
            assert [one for event in answer.result() for one in event.token_ids] == alone(model, text)


def test_closing_ends_answers_under_way_and_refuses_new_ones(model):
    service = EngineService(Engine(model, TOKENIZER, EngineSettings(cache_tokens=512)))
    stream = iter(service.submit(request_of(TEXTS[0], 400)))
    next(stream)
    service.close()
    last = list(stream)
    assert all(event.finish_reason is None for event in last)
    with pytest.raises(VL2Error, match="closed"):
        next(iter(service.submit(request_of(TEXTS[0]))))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_step_that_fails_leaves_nobody_waiting(model, monkeypatch):
    service = EngineService(Engine(model, TOKENIZER, EngineSettings(cache_tokens=512)))
    monkeypatch.setattr(service.engine, "step", lambda: 1 / 0)
    assert list(service.submit(request_of(TEXTS[0]))) == []
    service.close()
    with pytest.raises(VL2Error, match="closed"):
        list(service.submit(request_of(TEXTS[0])))


def test_an_assistant_opens_a_service(tmp_path):
    import vl2

    assistant = vl2.load(tiny.write_checkpoint(tmp_path / "checkpoint"), dtype="float32")
    request = assistant.request(asking((), TextPart("How many?")), SamplingSettings(max_new_tokens=6))
    with assistant.service(cache_tokens=256, max_running=2) as service:
        found = said(service.submit(request))
    assert found == list(assistant.answers([request])[0].token_ids)
