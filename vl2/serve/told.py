"""Told: what becomes known of answers, whoever computes them; Answerer: our engine, or a server behind this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from vl2.serve.ask import Ask
from vl2.serve.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was added to one of the answers to a request."""

    index: int
    text: str = ""
    num_tokens: int = 0
    num_cached: int = 0  # tokens of the prompt that were found in a cache
    finish_reason: str | None = None
    logprobs: tuple[dict[str, Any], ...] = ()  # in OpenAI's form


class Prepared(Protocol):
    """A request that can be answered, and what its prompt costs; known at the latest when the answer is whole."""

    @property
    def prompt_tokens(self) -> int:
        """Return the tokens of the prompt, visual ones included."""
        ...

    @property
    def image_tokens(self) -> int:
        """Return the visual tokens of the prompt."""
        ...


class Answerer(Protocol):
    """What answers asks."""

    metrics: Metrics
    num_open: int  # answers that are waited for

    @property
    def is_running(self) -> bool:
        """Tell whether requests are answered."""
        ...

    async def prepare(self, ask: Ask) -> Any:
        """Return a Prepared. Raises Problem and VL2Error for what can be refused before anything is computed."""
        ...

    def events(self, prepared: Any) -> AsyncIterator[list[Told]]:
        """Yield until every answer has a finish reason; closing it early frees everything. Raises Problem."""
        ...

    def numbers(self) -> dict[str, float]:
        """Return what the caches hold and have saved."""
        ...
