"""Every limit, from outside: what is refused, with which status and code, and that the next request is answered."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from tests.serve.serving import EXAMPLES, Running, asked, data_url
from vl2.core.errors import ConfigError
from vl2.serve.settings import ServeSettings

CHAT = "/v1/chat/completions"


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def png(width: int, height: int) -> str:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("settings", "body", "expected"),
    [
        ({"max_images": 1}, {"messages": asked("a", data_url("sign.png"), data_url("sign.png"))}, "too_many_images"),
        ({"max_pixels": 10_000}, {"messages": asked("a", png(101, 100))}, "invalid_image"),
        ({"max_image_mb": 0.0001}, {"messages": asked("a", data_url("sign.png"))}, "invalid_image"),
        ({"max_new_tokens": 10}, {"messages": asked("a"), "max_tokens": 11}, "invalid_value"),
        ({"max_copies": 2}, {"messages": asked("a"), "n": 3}, "invalid_value"),
        ({}, {"messages": asked("a"), "temperature": 3}, "invalid_value"),
        ({}, {"messages": asked("a"), "top_logprobs": 3}, "invalid_value"),
        ({}, {"messages": asked("a"), "stop": ["a", ""]}, "invalid_value"),
        ({}, {"messages": asked("a"), "tools": [{"type": "function"}]}, "unsupported_parameter"),
        ({}, {"messages": asked("a"), "logit_bias": {"5": 1}}, "unsupported_parameter"),
        ({}, {"messages": asked("a"), "frequency_penalty": 0.5}, "invalid_value"),
        ({}, {"messages": [{"role": "tool", "content": "a"}]}, "invalid_value"),
        ({}, {"messages": [{"role": "assistant", "content": "a"}]}, "invalid_conversation"),
        ({}, {"messages": asked("a", "http://example.com/a.png")}, "invalid_image"),
        ({}, {"messages": asked("a", "file:///etc/passwd")}, "invalid_image"),
        ({}, {"messages": asked("a", "data:image/svg+xml;base64,PHN2Zy8+")}, "invalid_image"),
        ({}, {"messages": asked("a"), "response_format": {"type": "json_schema"}}, "invalid_value"),
        ({}, {"messages": asked("a"), "response_format": {"type": "json_schema", "json_schema": {
            "name": "a", "schema": {"type": "no such type"}}}}, "invalid_value"),
        ({}, {"messages": [*asked("a"), {"role": "assistant", "content": "{"}],
              "response_format": {"type": "json_object"}}, "invalid_value"),
    ],
    ids=str,
)  # fmt: skip
def test_refused_requests(serve: Callable[..., Any], settings: dict, body: dict, expected: str) -> None:
    with serve(**settings) as found:
        assert code_of(found.post(CHAT, body)) == (400, expected)
        assert found.post(CHAT, {"messages": asked("Hello."), "max_tokens": 2}).status_code == 200


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b'{"messages": ' * 5000, b"\xff\xfe", b"null", b"1e999"]
)
def test_bodies_that_are_no_request(served: Running, content: bytes) -> None:
    answer = httpx.post(served.address + CHAT, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_body_that_is_too_large(serve: Callable[..., Any]) -> None:
    with serve(max_body_mb=0.01) as found:
        body = {"messages": asked("a" * 20_000)}
        assert code_of(found.post(CHAT, body)) == (413, "body_too_large")

        def pieces() -> Any:  # without a length
            yield from [b"a" * 1000] * 20

        assert code_of(httpx.post(found.address + CHAT, content=pieces())) == (413, "body_too_large")


def test_bodies_that_are_too_large_together(serve: Callable[..., Any]) -> None:
    with serve(max_bodies_mb=0.02) as found:
        assert code_of(found.post(CHAT, {"messages": asked("a" * 30_000)})) == (429, "queue_full")
        assert found.post(CHAT, {"messages": asked("Hello."), "max_tokens": 2}).status_code == 200


def test_more_requests_than_may_wait_are_refused_before_they_are_read(serve: Callable[..., Any]) -> None:
    with serve(max_running=1, max_waiting=1) as found:
        def slowly() -> Any:
            yield b"{"
            threading.Event().wait(1)
            yield b"}"

        post = lambda: httpx.post(found.address + CHAT, content=slowly())  # noqa: E731
        threads = [threading.Thread(target=post) for _ in range(2)]
        for thread in threads:
            thread.start()
        threading.Event().wait(0.5)
        assert code_of(found.post(CHAT, {"messages": asked("Hello.")})) == (429, "queue_full")
        for thread in threads:
            thread.join()
        assert found.post(CHAT, {"messages": asked("Hello."), "max_tokens": 2}).status_code == 200


def test_keys(serve: Callable[..., Any]) -> None:
    with serve(api_keys=("first", "second")) as found:
        body = {"messages": asked("Hello."), "max_tokens": 1}
        assert code_of(found.post(CHAT, body)) == (401, "invalid_api_key")
        for key, status in (("third", 401), ("Second", 401), ("first", 200), ("second", 200)):
            assert found.post(CHAT, body, headers={"Authorization": f"Bearer {key}"}).status_code == status
        assert found.get("/v1/models").status_code == 401
        assert [found.get(path).status_code for path in ("/health", "/ready", "/metrics", "/")] == [200] * 4


def test_who_has_no_key_takes_no_place(serve: Callable[..., Any]) -> None:
    with serve(api_keys=("first",), max_running=1, max_waiting=1, max_bodies_mb=0.01) as found:
        url = urlsplit(found.address)
        strangers = [socket.create_connection((url.hostname, url.port)) for _ in range(4)]
        for stranger in strangers:
            stranger.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + b"a" * 59_999)
        threading.Event().wait(0.3)
        body = {"messages": asked("Hello."), "max_tokens": 1}
        assert found.post(CHAT, body, headers={"Authorization": "Bearer first"}).status_code == 200
        for stranger in strangers:
            stranger.close()


def test_pages_of_other_origins(serve: Callable[..., Any]) -> None:
    with serve(cors_origins=("https://a.example",)) as found:
        asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
        allowed = httpx.options(found.address + CHAT, headers=asks)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://a.example"
        assert httpx.options(found.address + CHAT, headers={**asks, "Origin": "https://b.example"}).status_code == 400


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_that_has_stopped(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as found:
        monkeypatch.setattr(found.engine, "_step", lambda: 1 / 0)
        for _ in range(2):  # the request at which it stops, and the next one
            answer = found.post(CHAT, {"messages": asked("Hello.")})
            assert code_of(answer) == (503, "engine_stopped")
            assert answer.headers["Retry-After"]
        assert found.get("/health").status_code == 503


def test_waiting_for_a_turn_is_not_slow_images(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(image_timeout_s=0.4) as found:
        answering, at_once, most = found.server.answering, [0], [0]
        prepare = answering._requests

        def slowly(ask: Any) -> Any:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            time.sleep(0.25 if ask.settings.max_new_tokens == 1 else 1.0)
            at_once[0] -= 1
            return prepare(ask)

        monkeypatch.setattr(answering, "_requests", slowly)
        body = {"messages": asked("Hello."), "max_tokens": 1}
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: found.post(CHAT, body).status_code, range(6)))
        assert answers == [200] * 6
        with ThreadPoolExecutor(6) as pool:
            late = list(pool.map(lambda _: found.post(CHAT, {**body, "max_tokens": 2}), range(6)))
        assert [code_of(answer) for answer in late] == [(503, "image_timeout")] * 6
        assert most[0] == 2, "a thread that nobody waits for still has its turn"


def test_a_rate(serve: Callable[..., Any]) -> None:
    with serve(requests_per_minute=2) as found:
        answers = [found.post(CHAT, {"messages": asked("Hello."), "max_tokens": 1}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 31


def test_a_full_queue(serve: Callable[..., Any]) -> None:
    with serve(max_running=1, max_waiting=1) as found:
        body = {"messages": asked("Describe the picture.", data_url("shapes.png")), "temperature": 1, "stream": True}
        body |= {"max_tokens": 3000, "vl2": {"constrain_boxes": False}}
        with httpx.stream("POST", found.address + CHAT, json=body) as one:
            next(one.iter_lines())
            with httpx.stream("POST", found.address + CHAT, json=body):
                answer = found.post(CHAT, {"messages": asked("Hello.")})
                if found.server.answering.num_open == 2:  # unless the first has ended by itself
                    assert code_of(answer) == (429, "queue_full")
                    assert answer.headers["Retry-After"]
        wait_for(lambda: found.server.answering.num_open == 0)
        assert found.post(CHAT, {"messages": asked("Hello."), "max_tokens": 2}).status_code == 200


def test_a_timeout(serve: Callable[..., Any]) -> None:
    with serve(request_timeout_s=0.001) as found:
        body = {"messages": asked("Describe the picture.", data_url("shapes.png")), "max_tokens": 500}
        assert code_of(found.post(CHAT, body)) == (504, "request_timeout")
        wait_for(lambda: not found.engine.has_work)
        assert found.engine.pool.num_used == 0


def test_a_client_that_hangs_up_frees_its_place(serve: Callable[..., Any]) -> None:
    with serve() as found:
        engine = found.engine
        for stream in (True, False):
            body = {"messages": asked("Describe the picture.", data_url("shapes.png")), "temperature": 1}
            body |= {"stream": stream, "n": 4, "max_tokens": 3000}
            try:
                with httpx.stream("POST", found.address + CHAT, json=body, timeout=0.3) as one:
                    next(one.iter_lines())
            except httpx.TimeoutException:
                pass
            wait_for(lambda: not engine.has_work and found.server.answering.num_open == 0)
            assert engine.pool.num_used == 0


def test_files_below_the_media_root_alone(serve: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "sign.png").write_bytes((EXAMPLES / "sign.png").read_bytes())
    (tmp_path / "out").symlink_to(EXAMPLES)
    with serve(media_root=tmp_path) as found:
        good = found.post("/v1/read", {"image_url": f"file://{tmp_path}/sign.png"})
        assert good.json()["text"] == "87.92\nQUESTION"
        for path in ("/etc/passwd", f"{tmp_path}/../x.png", f"{tmp_path}/out/sign.png", f"{tmp_path}", "/%00"):
            assert code_of(found.post("/v1/read", {"image_url": f"file://{path}"})) == (400, "invalid_image")


def test_a_server_that_drains(serve: Callable[..., Any]) -> None:
    with serve() as found:
        body = {"messages": asked("Describe the picture.", data_url("shapes.png")), "stream": True, "n": 2}
        with httpx.stream("POST", found.address + CHAT, json=body) as one:
            lines = one.iter_lines()
            next(lines)
            found.uvicorn.handle_exit(15, None)
            answer = found.post(CHAT, {"messages": asked("Hello.")})
            if answer.status_code != 200:  # else the stream had ended before
                assert code_of(answer) == (503, "server_draining")
                assert answer.headers["Retry-After"]
            assert [line for line in lines if line][-1] == "data: [DONE]"
        wait_for(lambda: found.uvicorn.should_exit)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="Give an API key"):
        ServeSettings(host="0.0.0.0")
    assert ServeSettings(host="0.0.0.0", api_keys=("k",)).host == "0.0.0.0"
    assert ServeSettings(host="0.0.0.0", insecure=True).insecure
    for name, value in (("max_images", 33), ("max_pixels", 64_000_001), ("max_image_mb", 40.0)):
        with pytest.raises(ConfigError, match=f"{name}.*at most"):
            ServeSettings(**{name: value})


def test_headers_of_the_page_and_no_other_origin(served: Running) -> None:
    page = served.get("/", headers={"Origin": "https://example.com"})
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "access-control-allow-origin" not in page.headers
    assert served.get("/web/../settings.py").status_code == 404
    assert served.get("/web/%2e%2e/settings.py").status_code == 404


def test_metrics_count(served: Running) -> None:
    served.post(CHAT, {"messages": asked("Hello."), "max_tokens": 2})
    served.post(CHAT, {"messages": []})
    text = served.get("/metrics").text
    assert 'vl2_requests_total{path="/v1/chat/completions",status="200"}' in text
    assert 'vl2_errors_total{code="invalid_value"}' in text
    for name in ("vl2_time_to_first_token_seconds_count", "vl2_inter_token_seconds_bucket", "vl2_cache_blocks_used"):
        assert name in text
    assert served.get("/v1/cache/stats").json()["cache_blocks"] > 0


def wait_for(is_true: Callable[[], bool], timeout_s: float = 10) -> None:
    end = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def test_images_before_the_text(serve: Callable[..., Any]) -> None:
    """Open WebUI sends them behind it; the model was trained the other way round."""
    image = {"type": "image_url", "image_url": {"url": data_url("shapes.png")}}
    behind = [{"role": "user", "content": [{"type": "text", "text": "<|ref|>blue house<|/ref|>"}, image]}]
    found = "<|ref|>blue house<|/ref|><|det|>[[444, 46, 764, 363]]<|/det|>"
    with serve() as as_sent, serve(images_first=True) as sorted_out:
        answers = [one.post(CHAT, {"messages": behind}).json() for one in (as_sent, sorted_out)]
    said = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert said[1] == found != said[0]


def test_tools_are_left_alone_when_the_server_is_told_so(serve: Callable[..., Any]) -> None:
    """Open WebUI offers some with every question."""
    tool = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
    body = {"messages": asked("Hello."), "tools": [tool]}
    with serve(ignore_tools=True) as relaxed:
        message = relaxed.post(CHAT, body).json()["choices"][0]["message"]
        assert message["content"] and "tool_calls" not in message
        forced = relaxed.post(CHAT, body | {"tool_choice": "required"})
        assert forced.json()["error"]["code"] == "invalid_value", "what must be called cannot be left alone"
