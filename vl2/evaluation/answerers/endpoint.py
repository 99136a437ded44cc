"""Endpoint: chat completions of any OpenAI-compatible server, asked again while it is only busy."""

from __future__ import annotations

import base64
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImagePart, ImageSource, Message
from vl2.evaluation.answerers.answerer import text_of
from vl2.evaluation.image_file import bytes_of

KEY_VARIABLE = "OPENAI_API_KEY"
MOST_REPLY_BYTES = 16 << 20
BUSY = (408, 409, 425, 429, 500, 502, 503, 504, 529)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8": "jpeg", b"GIF8": "gif", b"BM": "bmp", b"RIFF": "webp", b"II*": "tiff"}


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a server said."""

    text: str
    finish_reason: str = ""
    num_tokens: int | None = None


class RequestError(VL2Error):
    """A request that got no answer, however often it was made."""


class Endpoint:
    """Ask one server; any thread may. `num_tries` bounds how often one request is made."""

    def __init__(
        self, address: str, model: str, *, timeout_s: float = 600.0, num_tries: int = 6,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        try:
            import httpx
        except ImportError:
            raise VL2Error("endpoint", "needs httpx", do="pip install 'vl2[evaluation]'") from None
        if not address.startswith(("http://", "https://")):
            raise VL2Error("endpoint", "not an address", got=address[:100], expected="http://HOST:PORT/v1")
        self.address, self.model, self.num_tries, self._sleep = address.rstrip("/"), model, num_tries, sleep
        key = os.environ.get(KEY_VARIABLE, "")
        limits = httpx.Limits(max_connections=None)  # the workers are the bound
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=30.0), headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=limits,
        )  # fmt: skip
        self._failures = httpx.HTTPError, httpx.InvalidURL

    def check(self) -> None:
        """Raise VL2Error when nothing answers there, or not without a key: before the first question is asked."""
        try:
            status = self._client.get(f"{self.address}/models").status_code
        except self._failures as error:
            raise VL2Error(self.address, f"cannot be reached: {_short(error)}", do="Start the server first.") from None
        if status in (401, 403):
            raise VL2Error(self.address, "refuses the key", got=status, do=f"Put its key into {KEY_VARIABLE}.")

    def complete(self, messages: Sequence[dict[str, Any]], *, max_tokens: int, stop: Sequence[str] = ()) -> Completion:
        """Return what the likeliest answer is. Raises RequestError."""
        body: dict[str, Any] = {
            "model": self.model, "messages": list(messages), "max_tokens": max_tokens, "temperature": 0.0,
        }  # fmt: skip
        if stop:
            body["stop"] = list(stop)
        data = json.dumps(body).encode()
        for attempt in range(self.num_tries):
            problem, wait_s = self._try(data, attempt)
            if isinstance(problem, Completion):
                return problem
            if wait_s is None or attempt + 1 == self.num_tries:
                raise RequestError(self.address, problem)
            self._sleep(wait_s)
        raise RequestError(self.address, "was not asked", expected="at least one try")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _try(self, data: bytes, attempt: int) -> tuple[Completion | str, float | None]:
        """Return the answer, or what is wrong and how long to wait before the next try, None when that is useless."""
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)
        headers = {"Content-Type": "application/json"}
        try:
            with self._client.stream(
                "POST", f"{self.address}/chat/completions", content=data, headers=headers
            ) as response:
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MOST_REPLY_BYTES:
                        return "the reply is longer than 16 MB", None
                status, asked_wait = response.status_code, response.headers.get("retry-after", "")
        except self._failures as error:
            return _short(error), wait_s
        if status == 200:
            found = read_completion(content)
            return found if found is not None else "the reply is no chat completion", None
        if asked_wait.isdecimal():
            wait_s = min(LONGEST_WAIT_S, float(asked_wait[:6]))
        return f"{status} {_short(content.decode(errors='replace'))}", wait_s if status in BUSY else None


def read_completion(content: bytes | bytearray) -> Completion | None:
    """Return the first answer in a reply, None when it is no chat completion."""
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        text, usage = choice["message"]["content"], body.get("usage") or {}
        count = usage.get("completion_tokens")
        reason = choice.get("finish_reason")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None
    if not isinstance(text, str | None):
        return None
    return Completion(
        text=text or "", finish_reason=reason if isinstance(reason, str) else "",
        num_tokens=count if isinstance(count, int) else None,
    )  # fmt: skip


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
                parts.append({"type": "image_url", "image_url": {"url": data_url(next(left))}})
            else:
                parts.append({"type": "text", "text": text_of(Message(message.role, (part,)))})
        has_image = any(part["type"] == "image_url" for part in parts)
        wire.append({"role": message.role, "content": parts if has_image else text_of(message)})
    return wire


def data_url(source: ImageSource) -> str:
    """Return an image's bytes as they are, as a data URL. Raises ImageError when there are none."""
    data = bytes_of(source)
    kind = next((name for start, name in SIGNATURES.items() if data.startswith(start)), "png")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _short(problem: object) -> str:
    return " ".join(str(problem).split())[:200] or type(problem).__name__
