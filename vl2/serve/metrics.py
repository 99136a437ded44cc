"""Metrics: what Prometheus reads, and the same numbers as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vl2.engine.engine import Engine

FIRST_TOKEN_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
KINDS = ("prompt", "image", "cached", "completion")
TOKEN_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """Counters of one server."""

    def __init__(self, engine: Engine | None) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests by path and status.", "path", "status")
        self.errors = self._counter("errors", "Refused requests and broken answers by code.", "code")
        self.tokens = self._counter("tokens", f"Tokens by kind: {', '.join(KINDS)}.", "kind")
        for kind in KINDS:
            self.tokens.labels(kind)  # a rate needs a zero to begin with
        self.first_token = Histogram(
            "vl2_time_to_first_token_seconds", "From the request to its first token.", registry=self.registry,
            buckets=FIRST_TOKEN_S,
        )  # fmt: skip
        self.next_token = Histogram(
            "vl2_inter_token_seconds", "From one token of an answer to the next.", registry=self.registry,
            buckets=TOKEN_S,
        )  # fmt: skip
        if engine is not None:
            self.registry.register(EngineGauges(engine))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"vl2_{name}", text, labels, registry=self.registry)


class CountRequests:
    """An ASGI middleware that counts answers by route and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", "other")  # of the route: addresses are without number
                self.metrics.requests.labels(path, message["status"]).inc()
            await send(message)

        await self.app(scope, receive, send_and_count if scope["type"] == "http" else send)


class EngineGauges(Collector):
    """What the engine holds at the moment it is asked."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a gauge for every number."""
        for name, value in engine_numbers(self.engine).items():
            yield GaugeMetricFamily(f"vl2_{name}", name.replace("_", " ").capitalize() + ".", value=value)


def engine_numbers(engine: Engine) -> dict[str, float]:
    """Return what an engine holds and has done; any thread may ask."""
    scheduler, pool, features = engine.scheduler, engine.pool, engine.features
    return {
        "running_requests": len(scheduler.running),
        "waiting_requests": engine.num_waiting,
        "cache_blocks": pool.num_blocks,
        "cache_blocks_used": pool.num_used,
        "cache_tokens_reused": scheduler.num_reused,
        "preemptions": scheduler.num_preempted,
        "image_cache_hits": features.num_hits,
        "image_cache_misses": features.num_misses,
        "image_cache_bytes": features.num_bytes,
        "draft_tokens": engine.num_drafted,
        "draft_tokens_accepted": engine.num_accepted,
    }
