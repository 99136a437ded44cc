"""Run the server: listen, say where, and stop without losing an answer."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from vl2.core.errors import VL2Error
from vl2.core.memory import give_back
from vl2.engine.assistant import Assistant
from vl2.engine.service import EngineService
from vl2.model import VL2Config
from vl2.model.context import with_context
from vl2.processor import Processor
from vl2.serve.answering import Answering
from vl2.serve.app import create_app
from vl2.serve.metrics import Metrics
from vl2.serve.server import Server
from vl2.serve.settings import ServeSettings
from vl2.serve.upstream import Behind, Upstream
from vl2.serve.vllm import VLLMOptions, started

MOST_CACHE_TOKENS = 65_536
CHECK_S = 0.05
TIDY_S = 10.0
SWITCH_S = 0.0005  # the loop that writes answers waits no longer for the engine's thread to let it
HEADER_BYTES = 32_768


class PatientServer(uvicorn.Server):
    """A server that first refuses what is new, lets what is under way end, and then stops."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self.server = server
        self._draining: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list | None = None) -> None:
        """Listen, and remember the loop that signals have to reach."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._tidying = asyncio.ensure_future(self._tidy())

    async def _tidy(self) -> None:
        """Return what large images have left in the allocator to the system, from time to time."""
        while True:
            await asyncio.sleep(TIDY_S)
            await asyncio.to_thread(give_back)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, stop at the second."""
        if self._draining is not None or self._loop is None:
            super().handle_exit(sig, frame)
            return
        self.server.doorkeeper.is_draining = True
        self._loop.call_soon_threadsafe(self._start_draining)

    def _start_draining(self) -> None:
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self.server.settings.drain_timeout_s):
                while self.server.doorkeeper.num_open:
                    await asyncio.sleep(CHECK_S)
        except TimeoutError:
            pass
        self.should_exit = True


def check_free(settings: ServeSettings) -> None:
    """Raise VL2Error when the port is taken, before a model is loaded for nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise VL2Error(
                "port", "cannot be listened on", got=f"{settings.host}:{settings.port}: {error.strerror}",
                do="Choose another --port.",
            ) from None  # fmt: skip


def serve(assistant: Assistant, settings: ServeSettings, model: str) -> None:
    """Serve a model until the process is told to stop."""
    sys.setswitchinterval(SWITCH_S)
    context = assistant.model.config.language_config.max_position_embeddings
    cache_tokens = max(context, min(MOST_CACHE_TOKENS, settings.max_running * context))
    with assistant.service(cache_tokens=cache_tokens, max_running=settings.max_running) as service:
        listen(engine_server(assistant, service, settings, model))


def front(
    folder: Path, settings: ServeSettings, model: str, behind: Behind, *, max_context: int | None = None,
    is_alive: Callable[[], bool] = lambda: True,
) -> None:  # fmt: skip
    """Serve what another server computes, until the process is told to stop; `folder` has the model's small files."""
    config = with_context(VL2Config.from_file(folder / "config.json"), max_context)
    processor = Processor.from_directory(folder)
    upstream = Upstream(behind, settings, processor, config.language_config.max_position_embeddings, is_alive)
    listen(Server(upstream, processor, config, settings, model))


def front_vllm(options: VLLMOptions, settings: ServeSettings, announce: Callable[[], None]) -> None:
    """Start vLLM, and serve what it computes until the process is told to stop; first we stop, then vLLM."""
    with started(options, start_timeout_s=settings.engine_start_s) as (behind, child):
        announce()
        front(
            options.folder, settings, options.name, behind, max_context=options.max_model_len,
            is_alive=lambda: child.is_running,
        )  # fmt: skip


def engine_server(assistant: Assistant, service: EngineService, settings: ServeSettings, model: str) -> Server:
    """Return a server whose answers our engine computes."""
    answering = Answering(assistant, service, settings, Metrics(service.engine))
    return Server(answering, assistant.processor, assistant.model.config, settings, model)


def listen(server: Server) -> None:
    """Listen until the process is told to stop."""
    settings = server.settings
    config = uvicorn.Config(
        create_app(server), host=settings.host, port=settings.port, log_level="warning", access_log=False,
        timeout_graceful_shutdown=5, timeout_keep_alive=30, h11_max_incomplete_event_size=HEADER_BYTES,
        server_header=False, http="h11", ws="none",
    )  # fmt: skip
    PatientServer(config, server).run()
