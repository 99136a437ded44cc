"""Endpoint: chat completions of any OpenAI-compatible server, asked again while it is only busy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from vl2.core.completions import OK, Completion, CompletionServer
from vl2.core.encoded import data_url
from vl2.core.errors import VL2Error
from vl2.core.sample import ImagePart, ImageSource, Message
from vl2.evaluation.answerers.answerer import text_of
from vl2.evaluation.image_file import bytes_of


class RequestError(VL2Error):
    """A request that got no answer, however often it was made."""


class Endpoint:
    """Ask one server; any thread may. `num_tries` bounds how often one request is made."""

    def __init__(
        self, address: str, model: str, *, timeout_s: float = 600.0, num_tries: int = 6,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._server = CompletionServer(address, timeout_s=timeout_s)
        self.address, self.model, self.num_tries, self._sleep = self._server.address, model, num_tries, sleep

    def check(self) -> None:
        """Raise VL2Error when nothing answers there, or not without a key: before the first question is asked."""
        self._server.check()

    def complete(self, messages: Sequence[dict[str, Any]], *, max_tokens: int, stop: Sequence[str] = ()) -> Completion:
        """Return what the likeliest answer is. Raises RequestError."""
        body: dict[str, Any] = {
            "model": self.model, "messages": list(messages), "max_tokens": max_tokens, "temperature": 0.0,
        }  # fmt: skip
        if stop:
            body["stop"] = list(stop)
        data = json.dumps(body).encode()
        for attempt in range(self.num_tries):
            found = self._server.ask(data, attempt)
            if isinstance(found, Completion):
                return found
            # the likeliest answer that could not be read would come again
            if found.wait_s is None or found.status == OK or attempt + 1 == self.num_tries:
                raise RequestError(self.address, found.problem)
            self._sleep(found.wait_s)
        raise RequestError(self.address, "was not asked", expected="at least one try")

    def close(self) -> None:
        """Close the connections."""
        self._server.close()


def to_wire(messages: Sequence[Message], images: Sequence[ImageSource]) -> list[dict[str, Any]]:
    """Return the turns of a sample, images as data URLs in their places; the empty answer is left out.

    Raises ImageError.
    """
    left = iter(images)
    wire: list[dict[str, Any]] = []
    for message in messages:
        if not message.parts:
            continue
        parts: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, ImagePart):
                parts.append({"type": "image_url", "image_url": {"url": data_url(bytes_of(next(left)))}})
            else:
                parts.append({"type": "text", "text": text_of(Message(message.role, (part,)))})
        has_image = any(part["type"] == "image_url" for part in parts)
        wire.append({"role": message.role, "content": parts if has_image else text_of(message)})
    return wire
