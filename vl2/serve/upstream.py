"""Upstream: a server behind this one computes the answers, vLLM or another of ours; limits and boxes stay here."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, TextPart
from vl2.processor.grounding import render
from vl2.serve.ask import Ask
from vl2.serve.constraints import Json
from vl2.serve.metrics import Metrics
from vl2.serve.problems import Problem, overloaded
from vl2.serve.settings import ServeSettings
from vl2.serve.told import Told

CONNECT_S = 10.0
LONGEST_LINE = 1 << 20  # characters of one event
REASONS = {"stop": "stop", "length": "length"}


@dataclass
class Forwarded:
    """The body of a request as it is sent on; the costs of its prompt come with the end of the answer."""

    body: dict[str, Any]
    started: float
    prompt_tokens: int = 0
    image_tokens: int = 0


class Upstream:
    """Send asks on, and read what comes back."""

    def __init__(self, address: str, model: str, settings: ServeSettings, *, key: str = "") -> None:
        """`address` ends before /chat/completions, as in http://127.0.0.1:8001/v1; `model` is its name there."""
        self.address, self.model, self.settings = address.rstrip("/"), model, settings
        self.metrics = Metrics(None)
        self.num_open = 0
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = httpx.Timeout(settings.request_timeout_s, connect=CONNECT_S)

    @property
    def is_running(self) -> bool:
        """Tell whether requests are sent on; whether they are answered shows in each."""
        return True

    def numbers(self) -> dict[str, float]:
        """Return nothing: the caches are elsewhere."""
        return {}

    async def prepare(self, ask: Ask) -> Forwarded:
        """Write the body. Raises Problem."""
        if self.num_open + ask.num_answers > self.settings.max_open:
            raise overloaded()
        return Forwarded(await asyncio.to_thread(body_of, ask, self.model), time.perf_counter())

    async def events(self, prepared: Forwarded) -> AsyncIterator[list[Told]]:
        """Yield what comes back. Raises Problem."""
        num_answers = prepared.body["n"]
        self.num_open += num_answers
        ended: set[int] = set()
        try:
            async with asyncio.timeout(self.settings.request_timeout_s):
                async for chunk in self._chunks(prepared.body):
                    told = [_told(choice) for choice in chunk.get("choices") or ()]
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
            name = type(error).__name__
            raise Problem(
                502, f"The server behind this one cannot be asked: {name}.", "upstream_failed", retry_after_s=5
            ) from None
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
        prepared.image_tokens = int(details.get("image_tokens") or 0)
        self.metrics.tokens.labels("prompt").inc(prepared.prompt_tokens)
        self.metrics.tokens.labels("completion").inc(int(usage["completion_tokens"]))
        cached = int(details.get("cached_tokens") or 0)
        return [Told(index=0, num_tokens=int(usage["completion_tokens"]), num_cached=cached)]


def body_of(ask: Ask, model: str) -> dict[str, Any]:
    """Return an ask as a chat completion: images as data URLs, marks kept in the answer."""
    settings, images = ask.settings, iter(ask.conversation.images)
    messages = [_message(message, images) for message in ask.conversation.messages if message.parts]
    body: dict[str, Any] = {
        "model": model, "messages": messages, "n": ask.num_answers, "stream": True,
        "stream_options": {"include_usage": True}, "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature, "top_p": settings.top_p, "stop": list(settings.stop),
        "skip_special_tokens": False,  # vLLM would drop the marks of boxes
    }  # fmt: skip
    if settings.top_logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": settings.top_logprobs}
    if isinstance(ask.bound, Json):
        schema = {"name": "answer", "schema": ask.bound.schema}
        form = {"type": "json_object"} if ask.bound.schema is None else {"type": "json_schema", "json_schema": schema}
        body["response_format"] = form
    given = {"seed": settings.seed, "top_k": settings.top_k or None, "min_p": settings.min_p or None}
    penalty = settings.repetition_penalty
    given["repetition_penalty"] = None if penalty == 1 else penalty
    return body | {name: value for name, value in given.items() if value is not None}


def _message(message: Message, images: Any) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, ImagePart):
            parts.append({"type": "image_url", "image_url": {"url": _data_url(next(images))}})
        elif isinstance(part, BoxesPart):
            parts.append({"type": "text", "text": render(part.label, part.boxes)})
        elif isinstance(part, TextPart):
            parts.append({"type": "text", "text": part.text})
    is_text = all(part["type"] == "text" for part in parts)
    content = "".join(part["text"] for part in parts) if is_text else parts
    return {"role": message.role, "content": content}


def _data_url(image: ImageSource) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(image.data or b"").decode()


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


def _refused(status: int, body: bytes, retry_after: str | None) -> Problem:
    """Return what the server behind said: what the client did wrong stays that, everything else is ours."""
    message, code, param = "no reason was given", "upstream_failed", None
    with suppress(ValueError, KeyError, TypeError):
        error = json.loads(body)["error"]
        message, code, param = str(error["message"]), str(error.get("code") or code), error.get("param")
    if status in (400, 404, 413, 422, 429):
        wait_s = int(retry_after) if retry_after and retry_after.isdecimal() else None
        return Problem(status, message, code, param=None if param is None else str(param), retry_after_s=wait_s)
    return Problem(502, f"The server behind this one failed: {message}", "upstream_failed", retry_after_s=5)
