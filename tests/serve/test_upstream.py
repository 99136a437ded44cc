"""A server in front of another one: the same answers, boxes and errors, and its own limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.serve.serving import Running, asked, data_url, listening
from vl2.engine.assistant import Assistant
from vl2.serve.server import Server
from vl2.serve.settings import ServeSettings
from vl2.serve.upstream import Behind, Upstream

CHAT = "/v1/chat/completions"
HOUSE = {"messages": asked("<|ref|>blue house<|/ref|>", data_url("shapes.png")), "vl2": {"boxes": "thousand"}}


@contextmanager
def in_front(assistant: Assistant, address: str, **settings: Any) -> Iterator[Running]:
    found = ServeSettings(**settings)
    config, behind = assistant.model.config, Behind(address=f"{address}/v1", model="pocket")
    upstream = Upstream(behind, found, assistant.processor, config.language_config.max_position_embeddings)
    with listening(Server(upstream, assistant.processor, config, found, "pocket")) as running:
        yield running


@pytest.fixture(scope="module")
def front(assistant: Assistant, served: Running) -> Iterator[Running]:
    with in_front(assistant, served.address) as found:
        yield found


def content_of(answer: httpx.Response) -> dict:
    found = answer.json()
    del found["id"], found["created"], found["usage"]["prompt_tokens_details"]["cached_tokens"]
    return found


@pytest.mark.parametrize(
    "body",
    [
        {"messages": asked("Hello.")},
        {"messages": asked("What is the price of Cake?", data_url("receipt.png")), "logprobs": True, "top_logprobs": 2},
        {"messages": asked("Describe both.", data_url("sign.png"), data_url("shapes.png")), "max_tokens": 5},
        {"messages": asked("Describe the picture.", data_url("shapes.png")), "temperature": 1, "seed": 7, "n": 2},
        HOUSE,
    ],
    ids=["text", "logprobs", "two images", "two answers", "boxes"],
)
def test_the_same_answers(front: Running, served: Running, body: dict) -> None:
    served.post(CHAT, body)  # what is cached is added up in another order
    assert content_of(front.post(CHAT, body)) == content_of(served.post(CHAT, body))


def test_a_stream_with_boxes(front: Running) -> None:
    with httpx.stream("POST", front.address + CHAT, json={**HOUSE, "stream": True}, timeout=60) as answer:
        lines = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    deltas = [json.loads(line)["choices"][0]["delta"] for line in lines[:-1]]
    assert [entry["complete"] for delta in deltas for entry in delta.get("grounding", ())][-1]
    assert "".join(delta.get("content", "") for delta in deltas).endswith("<|det|>[[444, 46, 764, 363]]<|/det|>")


def test_verbs_and_json(front: Running) -> None:
    shapes = data_url("shapes.png")
    detected = front.post("/v1/detect", {"image_url": shapes, "object": "blue house"}).json()
    assert detected["objects"][0]["thousand"] == [444, 46, 764, 363]
    assert front.post("/v1/read", {"image_url": data_url("sign.png")}).json()["text"] == "87.92\nQUESTION"
    answer = front.post(CHAT, {"messages": asked("a"), "response_format": {"type": "json_object"}, "max_tokens": 300})
    choice = answer.json()["choices"][0]
    assert choice["finish_reason"] == "length" or isinstance(json.loads(choice["message"]["content"]), dict)
    assert front.post("/v1/tiles", {"images": [{"width": 9, "height": 9}]}).status_code == 200


def test_its_own_limits_and_the_errors_behind(assistant: Assistant, served: Running, front: Running) -> None:
    answer = front.post(CHAT, {"messages": asked("word " * 6000)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    with in_front(assistant, served.address, max_images=1) as strict:
        answer = strict.post(CHAT, {"messages": asked("a", data_url("sign.png"), data_url("sign.png"))})
        assert answer.json()["error"]["code"] == "too_many_images"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://127.0.0.1:9/nothing"])
def test_nobody_behind(assistant: Assistant, address: str) -> None:
    with in_front(assistant, address) as alone:
        answer = alone.post(CHAT, {"messages": asked("Hello.")})
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
        assert alone.server.answering.num_open == 0
