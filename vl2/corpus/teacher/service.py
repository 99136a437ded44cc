"""Service: where a teacher answers, how fast and for how much. None of it decides what comes out.

It stands in a file of its own, so that a run that was stopped may go on with another budget, address or pace.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from vl2.core.errors import ConfigError
from vl2.core.settings import build, load_yaml

_PLACES = {"url": ("url", "cache"), "recorded": ("recording", "cache"), "ray": ("cache",), "composed": ()}


@dataclass(frozen=True, kw_only=True)
class Service:
    """One file of settings. Prices are for a million tokens, in the unit of the budget."""

    kind: Literal["url", "recorded", "ray", "composed"]
    cache: str = ""  # the folder of replies, of all kinds but composed; runs that share it never pay twice
    url: str = ""  # of kind url: http://HOST:PORT/v1
    recording: str = ""  # of kind recorded: a file
    engine: dict[str, Any] = field(default_factory=dict)  # of kind ray: what vLLM is told
    replicas: int = 1  # of kind ray
    concurrency: int = 8  # requests at a time, of each process
    requests_per_s: float | None = None  # of all processes together
    timeout_s: float = 300.0
    num_tries: int = 6
    price_in: float = 0.0
    price_out: float = 0.0
    budget: float | None = None  # for all that is in the cache
    retry_refused: bool = False  # ask again for what was refused for what it asks


def load_service(path: str) -> Service:
    """Read and check a service file. Raises ConfigError."""
    service = build(Service, load_yaml(path), thing=path)
    missing = [name for name in _PLACES[service.kind] if not getattr(service, name)]
    if missing:
        raise ConfigError(path, f"kind {service.kind} without its place", expected=" and ".join(missing))
    if service.concurrency < 1 or service.num_tries < 1:
        raise ConfigError(path, "concurrency and num_tries are at least 1")
    return service
