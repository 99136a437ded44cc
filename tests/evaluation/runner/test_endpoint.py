"""Any OpenAI endpoint: asked again while it is busy, given up on where that is useless, one row at a time."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest

pytest.importorskip("httpx", reason="needs the extra evaluation")

import vl2
from tests.evaluation.runner import toy
from tests.evaluation.runner.wire import answering, completion
from tests.serve.process import serving_process
from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, TextPart
from vl2.evaluation.answerers.endpoint import Endpoint, RequestError, to_wire
from vl2.evaluation.answerers.engine import EngineAnswerer, identity_of
from vl2.evaluation.answerers.openai import OpenAIAnswerer
from vl2.evaluation.runner import run_job
from vl2.weights import find_checkpoint

ASK = [{"role": "user", "content": "What?"}]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_rows(tmp_path_factory.mktemp("rows"), 18)


def test_busy_servers_are_asked_again(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    waits: list[float] = []
    statuses = [503, 429, 200]
    with answering(lambda _, n: (statuses[n], completion("yes"))) as (address, bodies):
        said = Endpoint(address, "m", sleep=waits.append).complete(ASK, max_tokens=5, stop=["\n"])
    assert (said.text, said.finish_reason, said.completion_tokens) == ("yes", "stop", 3)
    assert waits[1] == 7.0  # as the server asked for
    assert 0.2 < waits[0] <= 0.5
    assert bodies[0] == {
        "model": "m", "messages": ASK, "max_tokens": 5, "temperature": 0.0, "stop": ["\n"], "key": "Bearer secret",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "reply", "num_asked", "problem"),
    [
        (500, {"error": "boom"}, 3, "500 .*boom"),
        (400, {"error": {"message": "too many images"}}, 1, "400 .*too many images"),
        (200, {"choices": []}, 1, "no chat completion"),
        (200, b"<html>", 1, "no chat completion"),
        (200, b"[" * 100_000, 1, "no chat completion"),
    ],
)
def test_what_cannot_be_answered_is_said(status, reply, num_asked, problem):
    with answering(lambda *_: (status, reply)) as (address, bodies):
        endpoint = Endpoint(address, "m", num_tries=3, sleep=lambda _: None)
        with pytest.raises(RequestError, match=problem):
            endpoint.complete(ASK, max_tokens=5)
    assert len(bodies) == num_asked


def test_a_server_is_looked_for_before_the_first_question():
    with pytest.raises(VL2Error, match="cannot be reached"):
        Endpoint("http://127.0.0.1:9/v1", "m").check()
    with pytest.raises(VL2Error, match="not an address"):
        Endpoint("localhost:8000", "m")
    with answering(lambda *_: (401, {})) as (address, _), pytest.raises(VL2Error, match="OPENAI_API_KEY"):
        Endpoint(address, "m").check()


def test_images_travel_in_their_places(drawn):
    data = (drawn / "0.png").read_bytes()
    user = Message("user", (ImagePart(), TextPart("\nFind "), BoxesPart("a dot", (Box(1, 2, 3, 4),)), ImagePart()))
    images = (ImageSource(path=str(drawn / "0.png")), ImageSource(data=b"\xff\xd8\xffjpeg"))
    system, asked = to_wire((Message("system", (TextPart("Be brief."),)), user, Message("assistant", ())), images)
    assert system == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in asked["content"]] == ["image_url", "text", "text", "image_url"]
    assert asked["content"][0]["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(data).decode()}"
    assert asked["content"][2]["text"] == "<|ref|>a dot<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>"
    assert asked["content"][3]["image_url"]["url"].startswith("data:image/jpeg;")
    with pytest.raises(VL2Error, match="cannot be read"):
        to_wire((user,), (ImageSource(path=str(drawn / "none.png")),))


def test_a_failing_request_is_an_error_of_its_row(drawn, tmp_path):
    def say(body, _):
        question = body["messages"][0]["content"][1]["text"]
        return (400, {"error": "no"}) if "colour" in question else (200, completion("red"))

    with answering(say) as (address, _):
        answerer = OpenAIAnswerer(Endpoint(address, "m"), workers=4)
        results = run_job(toy.job(drawn), answerer, tmp_path)
        answerer.close()
    failed = {line.id for line in results.lines if line.state == "error"}
    assert failed == {line.id for line in results.lines if "colour" in line.question}
    assert failed


def test_as_many_questions_are_open_as_there_are_workers(drawn, tmp_path):
    here, most, lock, together = 0, 0, threading.Lock(), threading.Barrier(3)

    def say(*_):
        nonlocal here, most
        with lock:
            here, most = here + 1, max(most, here + 1)
        together.wait(30)  # nobody goes on before three are here
        with lock:
            here -= 1
        return 200, completion("red")

    with answering(say) as (address, bodies):
        answerer = OpenAIAnswerer(Endpoint(address, "m"), workers=3)
        run_job(toy.job(drawn), answerer, tmp_path)
        answerer.close()
    assert (most, len(bodies)) == (3, 18)


def test_our_server_says_what_our_engine_says(drawn, tmp_path):
    assistant = vl2.load()
    engine = EngineAnswerer(assistant, identity_of(assistant, "pocket", find_checkpoint("pocket")))
    expected = run_job(toy.job(drawn), engine, tmp_path / "engine")
    engine.close()
    for workers in (1, 8):
        # a server each: of a cached prompt sums are added up in another order, and bfloat16 has near-ties
        with serving_process("pocket", OPENAI_API_KEY="", OMP_NUM_THREADS="1") as served:
            answerer = OpenAIAnswerer(Endpoint(f"{served.address}/v1", "pocket"), workers=workers)
            found = run_job(toy.job(drawn), answerer, tmp_path / str(workers))
            answerer.close()
            assert found.lines == expected.lines
            assert found.summary.score == expected.summary.score > 20
