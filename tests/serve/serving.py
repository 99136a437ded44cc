"""A server on a port of its own, for tests that ask it as a client would."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from vl2.engine.assistant import Assistant
from vl2.engine.engine import Engine
from vl2.serve.app import create_app
from vl2.serve.run import PatientServer, engine_server
from vl2.serve.server import Server
from vl2.serve.settings import ServeSettings

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Running:
    """A server that listens."""

    server: Server
    uvicorn: PatientServer
    address: str

    @property
    def engine(self) -> Engine:
        return self.server.answering.service.engine  # type: ignore[attr-defined]

    def post(self, path: str, body: object, **more: Any) -> httpx.Response:
        return httpx.post(self.address + path, json=body, timeout=60, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(self.address + path, timeout=60, **more)


@contextmanager
def running(assistant: Assistant, cache_tokens: int = 16_384, **settings: Any) -> Iterator[Running]:
    """Serve an engine until the block ends."""
    found = ServeSettings(**settings)
    with (
        assistant.service(cache_tokens=cache_tokens, max_running=found.max_running) as service,
        listening(engine_server(assistant, service, found, "pocket")) as running,
    ):
        yield running


@contextmanager
def listening(server: Server) -> Iterator[Running]:
    """Listen in a thread until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    patient = PatientServer(uvicorn.Config(create_app(server), log_level="error", http="h11", ws="none"), server)
    thread = threading.Thread(target=lambda: asyncio.run(patient.serve([listener])))
    thread.start()
    for _ in range(500):
        if patient.started:
            break
        threading.Event().wait(0.02)
    try:
        yield Running(server, patient, f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        patient.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive()


def data_url(name: str) -> str:
    """Return an example as a data URL."""
    return "data:image/png;base64," + base64.b64encode((EXAMPLES / name).read_bytes()).decode()


def asked(text: str, *images: str) -> list[dict[str, Any]]:
    """Return one turn of images and a text."""
    shown = [{"type": "image_url", "image_url": {"url": image}} for image in images]
    return [{"role": "user", "content": [*shown, {"type": "text", "text": text}]}]
