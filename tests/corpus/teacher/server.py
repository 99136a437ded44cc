"""A teacher of this machine: an HTTP server that counts what it is asked, and can be busy, locked or slow."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answers:
    """What the server says: a list of statuses that come first, then an answer to each request."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.first: list[tuple[int, dict[str, str]]] = []
        self.refuse = ""  # requests with this word are refused
        self.say = ""  # the same to all; else the question said again
        self.delay_s = 0.0
        self.lock = threading.Lock()
        self.address = ""

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.asked.append(body)
            status, headers = self.first.pop(0) if self.first else (200, {})
        text = json.dumps(body["messages"])
        if status != 200:
            return status, headers, b"busy"
        if self.refuse and self.refuse in text:
            return 400, {}, b"no"
        time.sleep(self.delay_s)
        said = {"content": self.say or f"said {body['messages'][-1]['content']}"[:200]}
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        reply = {"choices": [{"message": said, "finish_reason": "stop"}], "usage": usage}
        return 200, {}, json.dumps(reply).encode()


@contextmanager
def serving() -> Iterator[Answers]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, data = answers.answer(body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *told: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *told: object) -> None:
            """Clients are killed here."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    answers.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield answers
    finally:
        server.shutdown()
        server.server_close()
