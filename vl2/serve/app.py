"""The app: routes, and what every one of them shares."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sse_starlette import EventSourceResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

import vl2
from vl2.serve.gate import Gate
from vl2.serve.metrics import CountRequests
from vl2.serve.page import SafeHeaders, add_page
from vl2.serve.problems import Problem
from vl2.serve.refusals import add_refusals, refusals
from vl2.serve.responses import Response as ModelResponse
from vl2.serve.responses import ResponsesRequest
from vl2.serve.schema import ChatRequest
from vl2.serve.server import Server
from vl2.serve.tile_plan import TilesAnswer, TilesRequest, plan_tiles
from vl2.serve.verbs import (
    CaptionRequest,
    DetectAnswer,
    DetectRequest,
    PointAnswer,
    QueryRequest,
    ReadRequest,
    TextAnswer,
    VerbUsage,
    detect_answer,
    point_answer,
)  # fmt: skip

T = TypeVar("T")
GONE = 499  # nobody reads it: the client has gone
PING_S = 15


def create_app(server: Server) -> FastAPI:
    """Return the ASGI app of a server."""
    app = FastAPI(title="vl2", version=vl2.__version__, docs_url=None, redoc_url=None)
    add_refusals(app, server.metrics)
    _add_chat(app, server)
    _add_verbs(app, server)
    _add_state(app, server)
    add_page(app)
    app.add_middleware(Gate, settings=server.settings, doorkeeper=server.doorkeeper, metrics=server.metrics)
    if server.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(server.settings.cors_origins), allow_headers=["*"],
            allow_methods=["GET", "POST"], expose_headers=["Retry-After"],
        )  # fmt: skip
    app.add_middleware(SafeHeaders)
    app.add_middleware(CountRequests, metrics=server.metrics)
    return app


def _add_chat(app: FastAPI, server: Server) -> None:
    @app.post("/v1/chat/completions", response_model=None, responses=refusals())
    async def chat_completions(body: ChatRequest, request: Request) -> Response:
        """Answer a conversation, as OpenAI's chat completions."""
        completion = await _unless_gone(request, server.complete(body))
        if body.stream:
            with_usage = body.stream_options is not None and body.stream_options.include_usage
            return EventSourceResponse(completion.stream(with_usage=with_usage), ping=PING_S, sep="\n")
        return JSONResponse(await _unless_gone(request, completion.whole()))

    @app.post("/v1/responses", response_model=None, responses=refusals())
    async def responses(body: ResponsesRequest, request: Request) -> Response:
        """Answer a conversation, as OpenAI's responses; nothing is stored."""
        response = ModelResponse(await _unless_gone(request, server.complete(body.chat())), body)
        if body.stream:
            return EventSourceResponse(response.stream(), ping=PING_S, sep="\n")
        return JSONResponse(await _unless_gone(request, response.whole()))


def _add_verbs(app: FastAPI, server: Server) -> None:
    @app.post("/v1/caption", response_model_exclude_none=True, responses=refusals())
    async def caption(body: CaptionRequest, request: Request) -> TextAnswer:
        """Describe an image."""
        text, _, usage = await _unless_gone(request, server.verb(body))
        return TextAnswer(text=text, caption=text, usage=VerbUsage(**usage))

    @app.post("/v1/query", response_model_exclude_none=True, responses=refusals())
    async def query(body: QueryRequest, request: Request) -> TextAnswer:
        """Answer a question about an image."""
        text, _, usage = await _unless_gone(request, server.verb(body))
        return TextAnswer(text=text, answer=text, usage=VerbUsage(**usage))

    @app.post("/v1/read", response_model_exclude_none=True, responses=refusals())
    async def read(body: ReadRequest, request: Request) -> TextAnswer:
        """Return the text in an image."""
        text, _, usage = await _unless_gone(request, server.verb(body))
        return TextAnswer(text=text, usage=VerbUsage(**usage))

    @app.post("/v1/detect", responses=refusals())
    async def detect(body: DetectRequest, request: Request) -> DetectAnswer:
        """Return the boxes of what a phrase names."""
        text, image, usage = await _unless_gone(request, server.verb(body))
        return detect_answer(text, image, usage)

    @app.post("/v1/point", responses=refusals())
    async def point(body: DetectRequest, request: Request) -> PointAnswer:
        """Return the middles of what a phrase names."""
        text, image, usage = await _unless_gone(request, server.verb(body))
        return point_answer(text, image, usage)

    @app.post("/v1/tiles", responses=refusals())
    async def tiles(body: TilesRequest) -> TilesAnswer:
        """Say how images of these sizes are cut, and how many tokens they take."""
        return plan_tiles(body, server.config, server.processor)


def _add_state(app: FastAPI, server: Server) -> None:
    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """List the one model."""
        return {"object": "list", "data": [server.card()]}

    @app.get("/v1/models/{name:path}", responses=refusals())
    async def model(name: str) -> dict[str, Any]:
        """Return the one model."""
        server.check_model(name)
        return server.card()

    @app.get("/health")
    async def health() -> Response:
        """Say whether the process can still answer."""
        is_well = server.answering.is_running
        return JSONResponse({"status": "ok" if is_well else "engine stopped"}, 200 if is_well else 503)

    @app.get("/ready")
    async def ready() -> Response:
        """Say whether a new request would be answered."""
        return JSONResponse({"ready": server.is_ready}, 200 if server.is_ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Return the metrics in Prometheus' form."""
        return Response(generate_latest(server.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/cache/stats")
    async def cache_stats() -> dict[str, float]:
        """Return what the caches hold and have saved."""
        return server.answering.numbers()


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Wait for work, and drop it when the client has gone. Raises what the work raises."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Problem(GONE, "The client has gone.", "client_gone")
        return task.result()
    finally:
        for one in (task, watch):
            one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


