"""Gate: what every request passes before anything of ours reads it: keys, rates, sizes, and a server that stops."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vl2.serve.metrics import Metrics
from vl2.serve.problems import Problem, draining, overloaded
from vl2.serve.settings import ServeSettings

MOST_CALLERS = 10_000  # whose rates are remembered
BODY_TIMEOUT_S = 60.0
OPEN_PATHS = ("/v1/tiles",)  # cost nothing and are not counted


@dataclass
class Doorkeeper:
    """Whether the server still takes requests, and how many are under way."""

    is_draining: bool = False
    num_open: int = 0  # requests with a body that are under way
    num_bytes: int = 0  # of their bodies


class Gate:
    """An ASGI middleware. Below /v1 a key is needed when there are keys; a body is read whole, up to a bound.

    Elsewhere nothing is counted and no body is read: nobody without a key can fill the places of those who have one.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, doorkeeper: Doorkeeper, metrics: Metrics) -> None:
        self.app, self.settings, self.doorkeeper, self.metrics = app, settings, doorkeeper, metrics
        self._digests = [_digest(key) for key in settings.api_keys]
        self._rates = Rates(settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        body = bytearray()
        has_body = scope["method"] in ("POST", "PUT", "PATCH")
        self.doorkeeper.num_open += has_body
        try:
            self._check(scope)
            if has_body:
                await self._read(scope, receive, body)
            await self.app(scope, _replay(bytes(body), receive) if has_body else receive, send)
        except Problem as problem:
            self.metrics.errors.labels(problem.code).inc()
            await _refuse(send, problem)
        finally:
            self.doorkeeper.num_open -= has_body
            self.doorkeeper.num_bytes -= len(body)

    def _check(self, scope: Scope) -> None:
        """Raise Problem for who may not ask, or not now."""
        path, method = scope["path"], scope["method"]
        if method == "OPTIONS":
            return
        key = self._key(scope)
        if self.doorkeeper.num_open > self.settings.max_open:
            raise overloaded()
        if method == "POST" and self.doorkeeper.is_draining:
            raise draining()
        client = scope.get("client")
        if method == "POST" and path not in OPEN_PATHS:
            self._rates.count(key if self._digests else (client[0] if client else ""))

    def _key(self, scope: Scope) -> str:
        """Return the digest of the key that was given. Raises Problem when keys are needed and it is none of them."""
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, key = given.decode("latin-1").partition(" ")
        digest = _digest(key.strip()) if kind.lower() == "bearer" else ""
        # all are compared, in the same time whichever it is
        if self._digests and not sum(hmac.compare_digest(digest, known) for known in self._digests):
            raise Problem(401, "The API key is missing or wrong. Send it as Authorization: Bearer.", "invalid_api_key")
        return digest

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        """Fill `body`. Raises Problem when it is too large, alone or with all others."""
        most = self.settings.max_body_bytes
        told = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not told.isdigit() or int(told[:20]) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(400, "The body ended early.", "incomplete_body")
                    piece = message.get("body", b"")
                    body += piece
                    self.doorkeeper.num_bytes += len(piece)
                    if len(body) > most:
                        raise _too_large(most)
                    if self.doorkeeper.num_bytes > self.settings.max_bodies_bytes:
                        raise overloaded()
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            raise Problem(408, "The body took too long to arrive.", "body_timeout") from None


class Rates:
    """Requests a minute by caller: each has a minute's worth, which comes back as time goes by."""

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, and when that was

    def count(self, caller: str) -> None:
        """Count a request. Raises Problem when the caller has none left."""
        if self.per_minute <= 0:
            return
        now, most = time.monotonic(), max(1.0, self.per_minute)
        left, then = self._left.pop(caller, (most, now))
        left = min(most, left + (now - then) * self.per_minute / 60)
        self._left[caller] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > MOST_CALLERS:
            self._left.popitem(last=False)
        if left < 1:
            wait_s = int((1 - left) * 60 / self.per_minute) + 1
            raise Problem(
                429, f"Too many requests (at most {self.per_minute:g} a minute).", "rate_limit_exceeded",
                retry_after_s=wait_s,
            )  # fmt: skip


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _too_large(most: int) -> Problem:
    return Problem(413, f"The body is too large (expected at most {most} bytes).", "body_too_large")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body once and then what comes: the news that the client has gone."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def _refuse(send: Send, problem: Problem) -> None:
    body = json.dumps(problem.body()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **problem.headers}
    listed = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
