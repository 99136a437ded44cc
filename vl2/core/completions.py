"""Completions: chat completions of any OpenAI-compatible server, `vl2 serve` among them."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass

from vl2.core.errors import VL2Error

KEY_VARIABLE = "OPENAI_API_KEY"
MOST_REPLY_BYTES = 16 << 20
OK = 200
BUSY = (408, 409, 425, 429, 500, 502, 503, 504, 529)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a server said; counts that it did not tell are None."""

    text: str
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why there is no completion; `wait_s` before the request may be made again, None where that is useless."""

    problem: str
    status: int = 0  # 0 when nothing was answered in full
    wait_s: float | None = None


class CompletionServer:
    """One server; any thread may ask it. The key, if it wants one, stands in OPENAI_API_KEY."""

    def __init__(self, address: str, *, timeout_s: float) -> None:
        try:
            import httpx
        except ImportError:
            raise VL2Error(address[:100], "asking a server needs httpx", do="Run `pip install httpx`.") from None
        if not address.startswith(("http://", "https://")):
            raise VL2Error("server", "not an address", got=address[:100], expected="http://HOST:PORT/v1")
        self.address = address.rstrip("/")
        key = os.environ.get(KEY_VARIABLE, "")
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=30.0),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx.Limits(max_connections=None),  # whoever asks bounds how much at a time
        )
        self._failures = httpx.HTTPError, httpx.InvalidURL

    def check(self) -> None:
        """Raise VL2Error when nothing answers there, or not without a key: before the first request is made."""
        try:
            status = self._client.get(f"{self.address}/models").status_code
        except self._failures as error:
            raise VL2Error(self.address, f"cannot be reached: {_short(error)}", do="Start the server first.") from None
        if status in (401, 403):
            raise VL2Error(self.address, "refuses the key", got=status, do=f"Put its key into {KEY_VARIABLE}.")

    def ask(self, body: bytes, attempt: int) -> Completion | Refusal:
        """Make a request once, for the time `attempt` from 0: waits double from one to the next."""
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)
        headers = {"Content-Type": "application/json"}
        url = f"{self.address}/chat/completions"
        try:
            with self._client.stream("POST", url, content=body, headers=headers) as response:
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MOST_REPLY_BYTES:
                        return Refusal(problem="the reply is longer than 16 MB")
                status, asked_wait = response.status_code, response.headers.get("retry-after", "")
        except self._failures as error:
            return Refusal(problem=_short(error), wait_s=wait_s)
        if status == OK:
            unread = Refusal(problem="the reply is no chat completion", status=status, wait_s=wait_s)
            return read_completion(content) or unread
        if asked_wait.isdecimal():
            wait_s = min(LONGEST_WAIT_S, float(asked_wait[:6]))
        problem = f"{status} {_short(content.decode(errors='replace'))}"
        return Refusal(problem=problem, status=status, wait_s=wait_s if status in BUSY else None)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def read_completion(content: bytes | bytearray) -> Completion | None:
    """Return the first answer in a reply, None when it is no chat completion."""
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        text, usage = choice["message"]["content"], body.get("usage") or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        reason = choice.get("finish_reason")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None
    if not isinstance(text, str | None):
        return None
    asked, said = (count if isinstance(count, int) and count >= 0 else None for count in counts)
    return Completion(
        text=text or "", finish_reason=reason if isinstance(reason, str) else "",
        prompt_tokens=asked, completion_tokens=said,
    )  # fmt: skip


def _short(problem: object) -> str:
    said = " ".join(str(problem).split())[:200]
    return f"{type(problem).__name__} {said}".strip() if isinstance(problem, Exception) else said
