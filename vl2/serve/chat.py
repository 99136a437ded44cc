"""Chat completions: answers in OpenAI's form, whole or as a stream."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from vl2.serve.ask import Ask
from vl2.serve.grounded import Grounded
from vl2.serve.problems import Problem
from vl2.serve.told import Answerer, Prepared, Told

DONE = "[DONE]"


@dataclass
class Choice:
    """One of the answers to a request, while it comes."""

    grounded: Grounded
    pieces: list[str] = field(default_factory=list)
    grounding: dict[int, dict[str, Any]] = field(default_factory=dict)  # by where the phrase begins
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    num_tokens: int = 0
    num_cached: int = 0

    def ground(self, text: str, *, is_last: bool) -> list[dict[str, Any]]:
        """Return the grounded phrases that this text made known."""
        found = self.grounded.push(text) + (self.grounded.finish() if is_last else [])
        self.grounding |= {entry["span"][0]: entry for entry in found}
        return found


class Completion:
    """One request of chat completions: `stream` or `whole`, once."""

    def __init__(self, answering: Answerer, ask: Ask, prepared: Prepared, model: str) -> None:
        self.answering, self.ask, self.prepared = answering, ask, prepared
        self.head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self.choices = [Choice(Grounded(ask)) for _ in range(ask.num_answers)]

    async def whole(self) -> dict[str, Any]:
        """Return the body of the answer. Raises Problem."""
        async with aclosing(self.deltas()) as deltas:  # type: ignore[type-var]
            async for _ in deltas:
                pass
        choices = [self.choice(index) for index in range(len(self.choices))]
        return {**self.head, "object": "chat.completion", "choices": choices, "usage": self.usage()}

    async def stream(self, *, with_usage: bool) -> AsyncIterator[str]:
        """Yield the data of each event; an error that comes late is one of them."""
        try:
            for index in range(len(self.choices)):
                yield self._chunk(index, {"role": "assistant", "content": ""}, with_usage=with_usage)
            async with aclosing(self.deltas()) as deltas:  # type: ignore[type-var]
                async for index, delta, logprobs, reason in deltas:
                    yield self._chunk(index, delta, logprobs, reason, with_usage=with_usage)
            if with_usage:
                yield self._json({"choices": [], "usage": self.usage()})
            yield DONE
        except Problem as problem:
            self.answering.metrics.errors.labels(problem.code).inc()
            yield json.dumps(problem.body())

    def usage(self) -> dict[str, Any]:
        """Return what it took."""
        completion = sum(choice.num_tokens for choice in self.choices)
        prompt = self.prepared.prompt_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {
                "cached_tokens": self.choices[0].num_cached, "image_tokens": self.prepared.image_tokens,
                "text_tokens": prompt - self.prepared.image_tokens,
            },
        }  # fmt: skip

    async def deltas(self) -> AsyncIterator[tuple[int, dict[str, Any], dict[str, Any] | None, str | None]]:
        """Yield which answer goes on, by what, the logprobs of it, and why it ends."""
        async with aclosing(self.answering.events(self.prepared)) as events:  # type: ignore[type-var]
            async for told in events:
                for index in dict.fromkeys(one.index for one in told):
                    found = self._take(self.choices[index], [one for one in told if one.index == index])
                    if any(found):
                        yield index, *found

    def _take(
        self, choice: Choice, told: list[Told]
    ) -> tuple[dict[str, Any], dict[str, Any] | None, str | None]:
        """Note what one answer said; return what it adds, the logprobs of it, and why the answer ends."""
        text, reason = "".join(one.text for one in told), next((one.finish_reason for one in told[::-1]), None)
        entries = [entry for one in told for entry in one.logprobs]
        choice.num_tokens += sum(one.num_tokens for one in told)
        choice.num_cached = max(choice.num_cached, *(one.num_cached for one in told))
        choice.finish_reason = reason or choice.finish_reason
        choice.pieces.append(text)
        choice.logprobs += entries
        grounding = choice.ground(text, is_last=reason is not None)
        delta: dict[str, Any] = {"content": text} if text else {}
        delta |= {"grounding": grounding} if grounding else {}
        return delta, {"content": entries} if entries else None, reason

    def choice(self, index: int) -> dict[str, Any]:
        """Return one answer, now that it is whole."""
        choice = self.choices[index]
        entries = [choice.grounding[start] for start in sorted(choice.grounding)]
        message = {"role": "assistant", "content": "".join(choice.pieces), "refusal": None, "grounding": entries}
        logprobs = {"content": choice.logprobs, "refusal": None} if self._says_logprobs else None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": choice.finish_reason}

    def _chunk(
        self, index: int, delta: dict[str, Any], logprobs: dict[str, Any] | None = None, reason: str | None = None,
        *, with_usage: bool,
    ) -> str:  # fmt: skip
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return self._json({"choices": [choice]} | ({"usage": None} if with_usage else {}))

    def _json(self, values: dict[str, Any]) -> str:
        return json.dumps({**self.head, "object": "chat.completion.chunk", **values}, ensure_ascii=False)

    @property
    def _says_logprobs(self) -> bool:
        return self.ask.settings.top_logprobs is not None
