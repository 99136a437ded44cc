"""Upstream: a server behind this one computes the answers, vLLM or another of ours; limits and boxes stay here."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from vl2.engine.conversation import check_prunable
from vl2.engine.encoded_image import size_of
from vl2.engine.request import room_behind
from vl2.processor import Processor
from vl2.processor.chat import ChatRules
from vl2.serve.ask import Ask
from vl2.serve.forward import Kind, body_of
from vl2.serve.metrics import Metrics
from vl2.serve.problems import Problem, engine_stopped, overloaded
from vl2.serve.settings import ServeSettings
from vl2.serve.told import Told
from vl2.serve.turns import Turns
from vl2.serve.watch import Watch

CONNECT_S = 10.0
LONGEST_LINE = 1 << 20  # characters of one event
PREPARED_AT_ONCE = 2  # requests whose images may be decoded: memory and cores are bounded
REASONS = {"stop": "stop", "length": "length"}


@dataclass(frozen=True, kw_only=True)
class Behind:
    """Where the server behind is, and its name for the model."""

    address: str  # up to /chat/completions, as in http://127.0.0.1:8001/v1
    model: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What the server behind says of itself."""

    kind: Kind
    max_model_len: int | None


@dataclass
class Forwarded:
    """The body of a request as it is sent on, and what its prompt costs; the server behind has the last word."""

    body: dict[str, Any]
    prompt_tokens: int
    image_tokens: int
    started: float  # by time.perf_counter


class Upstream:
    """Send asks on, and read what comes back."""

    def __init__(
        self, behind: Behind, settings: ServeSettings, processor: Processor, context: int,
        is_alive: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """`context` is the most tokens of prompt and answer; `is_alive` tells whether asking still makes sense."""
        self.address, self.model, self.settings = behind.address.rstrip("/"), behind.model, settings
        self.processor, self.context, self._is_alive = processor, context, is_alive
        self.metrics = Metrics(None)
        self.num_open = 0
        self._nature: Nature | None = None
        self._preparing = Turns(PREPARED_AT_ONCE)
        self._headers = {"Authorization": f"Bearer {behind.key}"} if behind.key else {}
        self._timeout = httpx.Timeout(settings.request_timeout_s, connect=CONNECT_S)

    @property
    def is_running(self) -> bool:
        """Tell whether requests are sent on; whether they are answered shows in each."""
        return self._is_alive()

    def numbers(self) -> dict[str, float]:
        """Return nothing: the caches are elsewhere."""
        return {}

    async def prepare(self, ask: Ask) -> Forwarded:
        """Check what can be checked here and write the body. Raises Problem and VL2Error."""
        started = time.perf_counter()
        if not self.is_running:
            raise engine_stopped()
        if self.num_open + ask.num_answers > self.settings.max_open:
            raise overloaded()
        if self._nature is None:
            self._nature = await self._ask_nature()
        return await self._preparing.take(partial(self._forwarded, ask, self._nature, started))

    def _forwarded(self, ask: Ask, nature: Nature, started: float) -> Forwarded:
        check_prunable(ask.conversation, ask.budget)
        sizes = [size_of(image) for image in ask.conversation.images]
        rules = ChatRules(trusted=False, keep_marks=True)
        prompt = self.processor.measure(ask.conversation.messages, sizes, rules, budget=ask.budget)
        num_tokens, num_visual = len(prompt.input_ids), int(prompt.image_mask.sum())
        room = room_behind(num_tokens, num_visual, min(self.context, nature.max_model_len or self.context))
        max_tokens = min(room, ask.settings.max_new_tokens)
        body = body_of(ask, self.model, max_tokens, nature.kind, self.processor)
        return Forwarded(body, num_tokens, num_visual, started)

    async def _ask_nature(self) -> Nature:
        """Ask what stands behind: the fields that it reads differ. Raises Problem."""
        try:
            async with httpx.AsyncClient(timeout=CONNECT_S, trust_env=False, headers=self._headers) as client:
                answer = await client.get(f"{self.address}/models")
                models = answer.raise_for_status().json()["data"]
                found = next((one for one in models if one["id"] == self.model), models[0])
                kind = "vl2" if found.get("owned_by") == "vl2" else "vllm"
                return Nature(kind=kind, max_model_len=int(found.get("max_model_len") or 0) or None)
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise _unreachable(error) from None

    async def events(self, prepared: Forwarded) -> AsyncIterator[list[Told]]:
        """Yield what comes back. Raises Problem."""
        num_answers = prepared.body["n"]
        if self.num_open + num_answers > self.settings.max_open:  # others were prepared at the same time
            raise overloaded()
        self.num_open += num_answers
        ended: set[int] = set()
        watch = Watch(self.metrics, prepared, prepared.started)
        try:
            async with asyncio.timeout(self.settings.request_timeout_s):
                async for chunk in self._chunks(prepared.body):
                    told = [_told(choice) for choice in chunk.get("choices") or ()]
                    for one in told:
                        watch.note(one)
                    told += self._note_usage(chunk.get("usage"), prepared)
                    ended |= {one.index for one in told if one.finish_reason}
                    if told:
                        yield told
            if len(ended) < num_answers:
                raise Problem(502, "The server behind this one broke off.", "upstream_failed", retry_after_s=5)
        except TimeoutError:
            limit = self.settings.request_timeout_s
            raise Problem(504, f"The answer took longer than {limit:g} s.", "request_timeout") from None
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreachable(error) from None
        finally:
            self.num_open -= num_answers

    async def _chunks(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        url = f"{self.address}/chat/completions"
        async with (
            httpx.AsyncClient(timeout=self._timeout, trust_env=False) as client,
            client.stream("POST", url, json=body, headers=self._headers) as answer,
        ):
            if answer.status_code != 200:
                raise _refused(answer.status_code, await _beginning(answer), answer.headers.get("Retry-After"))
            async for line in answer.aiter_lines():
                if len(line) > LONGEST_LINE:
                    raise ValueError("a line without end")
                if not line.startswith("data:") or line[5:].strip() == "[DONE]":
                    continue
                chunk = json.loads(line[5:])
                if "error" in chunk:
                    raise _refused(502, line[5:].encode(), None)
                yield chunk

    def _note_usage(self, usage: dict[str, Any] | None, prepared: Forwarded) -> list[Told]:
        if not usage:
            return []
        details = usage.get("prompt_tokens_details") or {}
        prepared.prompt_tokens = int(usage["prompt_tokens"])
        completion, cached = int(usage["completion_tokens"]), int(details.get("cached_tokens") or 0)
        self.metrics.tokens.labels("completion").inc(completion)
        self.metrics.tokens.labels("cached").inc(cached)
        return [Told(index=0, num_tokens=completion, num_cached=cached)]


def _told(choice: dict[str, Any]) -> Told:
    reason = choice.get("finish_reason")
    return Told(
        index=int(choice["index"]), text=choice["delta"].get("content") or "",
        finish_reason=REASONS.get(reason, "stop") if reason else None,
        logprobs=tuple((choice.get("logprobs") or {}).get("content") or ()),
    )  # fmt: skip


async def _beginning(answer: httpx.Response) -> bytes:
    body = b""
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > LONGEST_LINE:
            break
    return body


def _unreachable(error: Exception) -> Problem:
    name = type(error).__name__
    return Problem(502, f"The server behind this one cannot be asked: {name}.", "upstream_failed", retry_after_s=5)


def _refused(status: int, body: bytes, retry_after: str | None) -> Problem:
    """Return what the server behind said: what the client did wrong stays that, everything else is ours."""
    message, code, param = "no reason was given", "upstream_refused", None
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        error = json.loads(body)
        error = error.get("error", error)
        message, param = str(error["message"]), error.get("param")
        if isinstance(error.get("code"), str):  # vLLM repeats the status there
            code = error["code"]
    if status in (400, 404, 413, 422, 429):
        wait_s = int(retry_after) if retry_after and retry_after.isdecimal() else None
        return Problem(status, message, code, param=None if param is None else str(param), retry_after_s=wait_s)
    message = f"The server behind this one failed: {message}"
    return Problem(502, message, "upstream_failed", retry_after_s=5)
