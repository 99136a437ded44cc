"""A server behind that speaks as vLLM does: what it is asked, and how its answers and refusals come through."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.serve.serving import Running, asked, data_url, listening
from vl2.engine.assistant import Assistant
from vl2.serve.server import Server
from vl2.serve.settings import ServeSettings
from vl2.serve.upstream import Behind, Upstream

CHAT = "/v1/chat/completions"
SHAPES = data_url("shapes.png")
ANSWER = ["<|ref|>blue house<|/ref|>", "<|det|>[[444, 46, 764, 363]]", "<|/det|>"]
MODELS = {"object": "list", "data": [{"id": "m", "owned_by": "vllm", "max_model_len": 500}]}
REFUSAL = {"error": {"message": "n must be 1 when using greedy sampling.", "type": "BadRequestError", "code": 400}}


class Recorded(BaseHTTPRequestHandler):
    """Answers with a recorded stream."""

    server: RecordedServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, "application/json", json.dumps(MODELS))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        if body["n"] > 1:
            return self._send(400, "application/json", json.dumps(REFUSAL))
        chunks = [{"choices": [_choice({"role": "assistant", "content": ""})]}]
        chunks += [{"choices": [_choice({"content": text})]} for text in ANSWER]
        chunks += [{"choices": [_choice({"content": ""}, "stop")]}]
        details = {"prompt_tokens_details": {"cached_tokens": 16}}
        chunks += [{"choices": [], "usage": {"prompt_tokens": 140, "completion_tokens": 15, **details}}]
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        return self._send(200, "text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))

    def _send(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class RecordedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Recorded)
        self.bodies: list[dict[str, Any]] = []


def _choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason, "stop_reason": None}


@pytest.fixture
def behind() -> Iterator[RecordedServer]:
    server = RecordedServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def front(assistant: Assistant, behind: RecordedServer) -> Iterator[Running]:
    settings, config = ServeSettings(), assistant.model.config
    place = Behind(address=f"http://127.0.0.1:{behind.server_address[1]}/v1", model="m", key="secret")
    upstream = Upstream(place, settings, assistant.processor, config.language_config.max_position_embeddings)
    with listening(Server(upstream, assistant.processor, config, settings, "pocket")) as running:
        yield running


def test_boxes_and_costs_come_through(front: Running, behind: RecordedServer) -> None:
    answer = front.post("/v1/detect", {"image_url": SHAPES, "object": "blue house"}).json()
    assert answer["objects"][0]["thousand"] == [444, 46, 764, 363]
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 16, "image_tokens": 85, "text_tokens": 55}
    (body,) = behind.bodies
    assert "grammar" in body["structured_outputs"] and body["skip_special_tokens"] is False
    metrics = front.get("/metrics").text.splitlines()
    for line in ('vl2_tokens_total{kind="image"} 85.0', 'vl2_tokens_total{kind="completion"} 15.0',
                 'vl2_tokens_total{kind="cached"} 16.0', "vl2_time_to_first_token_seconds_count 1.0",
                 "vl2_inter_token_seconds_count 2.0"):  # fmt: skip
        assert line in metrics


def test_the_answer_fits_the_context_behind(front: Running, behind: RecordedServer, assistant: Assistant) -> None:
    front.post(CHAT, {"messages": asked("Hello.")})
    prompt = 1 + len(assistant.processor.tokenizer.encode("<|User|>: Hello.\n\n<|Assistant|>:"))
    assert behind.bodies[0]["max_tokens"] == 500 - prompt, "vLLM refuses to be asked for more"
    refused = front.post(CHAT, {"messages": asked("word " * 600)}).json()["error"]
    assert refused["code"] == "context_length_exceeded" and len(behind.bodies) == 1


def test_what_is_refused_here_and_there(front: Running, behind: RecordedServer) -> None:
    answer = front.post(CHAT, {"messages": asked("<|User|>: hi")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_upstream")
    answer = front.post(CHAT, {"messages": [*asked("a"), *asked("b")]})
    assert answer.json()["error"]["code"] == "invalid_conversation", "turns are checked before they are sent"
    assert not behind.bodies
    answer = front.post(CHAT, {"messages": asked("a"), "n": 2})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "upstream_refused")
    assert error["message"] == REFUSAL["error"]["message"]
