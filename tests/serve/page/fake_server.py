"""A stand-in for the server: the same addresses, recorded answers. Unknown fields are refused, so the wire is held.

`python -m tests.serve.page.fake_server` serves the page by hand at http://127.0.0.1:8765.
"""

from __future__ import annotations

import json
import mimetypes
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.serve.page.answers import HOSTILE, HOUSE, MARKDOWN, SHAPES, Chunk, chunks, marked

WEB = Path(__file__).parents[3] / "vl2" / "serve" / "web"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAMPLING = {"model", "temperature", "top_p", "max_tokens", "seed"}
CHAT_FIELDS = SAMPLING | {"messages", "stream", "stream_options", "vl2"}
USAGE = {"prompt_tokens": 214, "prompt_tokens_details": {"cached_tokens": 127, "image_tokens": 170}}
WHOLE_USAGE = USAGE | {"completion_tokens": 9, "total_tokens": 223}
TOKENS_A_TILE = 421


class FakeServer(ThreadingHTTPServer):
    """Answers by what is asked; tests look at `requests` and set `key`, `failures` and `pause_s`."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.key: str | None = None
        self.failures: list[tuple[int, str, dict[str, str]]] = []  # status, message, headers; one a request
        self.pause_s = 0.004

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, path: str = "/v1/chat/completions") -> list[dict[str, Any]]:
        """Return the bodies that were posted to an address."""
        return [body for where, body in self.requests if where == path]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: FakeServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            models = {"object": "list", "data": [{"id": "pocket", "object": "model"}]}
            return self._json(models) if self._allowed() else None
        file = WEB / ("index.html" if self.path == "/" else self.path.removeprefix("/web/"))
        if not file.is_file() or WEB not in file.resolve().parents:
            return self._error(404, f"{self.path}: no such file")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return self._send(200, file.read_bytes(), kind)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._allowed():
            return None
        self.server.requests.append((self.path, body))
        if self.path != "/v1/tiles" and self.server.failures:
            status, message, headers = self.server.failures.pop(0)
            return self._error(status, message, headers)
        answer = {
            "/v1/chat/completions": self._chat, "/v1/tiles": self._tiles, "/v1/read": self._read,
            "/v1/point": self._point, "/v1/caption": self._caption,
        }[self.path]  # fmt: skip
        return answer(body)

    def _allowed(self) -> bool:
        if self.server.key in (None, self.headers.get("Authorization", "").removeprefix("Bearer ")):
            return True
        self._error(401, "This server needs a key.")
        return False

    def _tiles(self, body: dict[str, Any]) -> None:
        shapes = [(1, 1) if len(body["images"]) > 2 else _grid(**image) for image in body["images"]]
        images = []
        for rows, cols in shapes:
            num_tiles = rows * cols + 1
            images.append(
                {"rows": rows, "cols": cols, "num_tiles": num_tiles, "image_tokens": TOKENS_A_TILE * num_tiles}
            )
        self._json({"images": images})

    def _read(self, body: dict[str, Any]) -> None:
        _check(body, SAMPLING | {"image_url"})
        time.sleep(10 * self.server.pause_s)
        self._json({"text": "87.92\nQUESTION", "usage": WHOLE_USAGE})

    def _point(self, body: dict[str, Any]) -> None:
        _check(body, SAMPLING | {"image_url", "object"})
        points = [{"label": body["object"], "pixels": [58, 19], "unit": [0.6, 0.198]}]
        self._json({"points": points, "text": marked(HOUSE), "problems": [], "usage": WHOLE_USAGE})

    def _caption(self, body: dict[str, Any]) -> None:
        _check(body, SAMPLING | {"image_url", "length"})
        text = f"A {body['length']} description."
        self._json({"text": text, "caption": text, "usage": WHOLE_USAGE})

    def _chat(self, body: dict[str, Any]) -> None:
        _check(body, CHAT_FIELDS)
        roles = [message["role"] for message in body["messages"] if message["role"] != "system"]
        assert all(role == ("user", "assistant")[place % 2] for place, role in enumerate(roles)), roles
        content = body["messages"][-1]["content"]
        question = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        self._stream(_answer(question))

    def _stream(self, pieces: Iterable[Chunk]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        count = 0
        try:
            for piece in pieces:
                count += 1
                delta = {"content": piece.text} | ({"grounding": piece.grounding} if piece.grounding else {})
                self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
                time.sleep(self.server.pause_s)
            self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self._event({"choices": [], "usage": USAGE | {"completion_tokens": count, "total_tokens": count + 214}})
            self._chunk("data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.server.requests.append(("stopped", {"after": count}))
            self.close_connection = True

    def _event(self, value: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(value, ensure_ascii=False)}\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), "application/json", headers)

    def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        error = {"message": message, "type": "error", "param": None, "code": None}
        self._json({"error": error}, status, headers)

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        named = {"Content-Type": kind, "Content-Length": str(len(data)), "Content-Security-Policy": CSP}
        for name, value in (named | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _answer(question: str) -> Iterable[Chunk]:
    recorded = {"hostile": HOSTILE, "markdown": MARKDOWN, "long": "word " * 200_000, "slow": "One. Two. Three. " * 400}
    if "describe both" in question:
        return chunks(SHAPES)
    if question.startswith("<|ref|>"):
        return chunks((HOUSE,))
    if question == "long":
        return [Chunk(text=recorded["long"][at : at + 20_000]) for at in range(0, len(recorded["long"]), 20_000)]
    return chunks((recorded.get(question, f"You asked: {question}"),))


def _check(body: dict[str, Any], known: set[str]) -> None:
    assert set(body) <= known, f"unknown fields: {set(body) - known}"


def _grid(width: int, height: int) -> tuple[int, int]:
    return (1, 2) if width > 1.5 * height else (2, 1) if height > 1.5 * width else (2, 2)


def running(port: int = 0) -> FakeServer:
    """Return a server that answers in a thread; call shutdown() when done."""
    server = FakeServer(port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    by_hand = running(8765)
    by_hand.pause_s = 0.03
    print(by_hand.address)
    threading.Event().wait()
