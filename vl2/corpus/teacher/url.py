"""URL: a teacher behind any OpenAI-compatible address, `vl2 serve` among them; asked again while it is only busy."""

from __future__ import annotations

import base64
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.corpus.encoded import image_suffix
from vl2.corpus.teacher.ask import Ask, Done, Reply, Sampling, TeacherError

KEY_VARIABLE = "OPENAI_API_KEY"
MOST_REPLY_BYTES = 16 << 20
BUSY = (408, 409, 425, 429, 500, 502, 503, 504, 529)
LOCKED_OUT = (401, 402, 403, 404)  # no request will be answered: nothing is wrong with this one
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
_MEDIA = {"jpg": "jpeg"}


class UrlBackend:
    """Chat completions of one server; `concurrency` requests at a time, each made `num_tries` times at most."""

    def __init__(self, address: str, *, concurrency: int = 8, timeout_s: float = 300.0, num_tries: int = 6,
                 before: Callable[[], None] = lambda: None, sleep: Callable[[float], None] = time.sleep,
                 ) -> None:  # fmt: skip
        try:
            import httpx
        except ImportError:
            raise VL2Error("teacher", "a URL needs httpx", do="Run `pip install httpx`.") from None
        if not address.startswith(("http://", "https://")):
            raise VL2Error("teacher", "not an address", got=address[:100], expected="http://HOST:PORT/v1")
        self._address, self._concurrency, self._num_tries = address.rstrip("/"), concurrency, num_tries
        self._before, self._sleep = before, sleep
        key = os.environ.get(KEY_VARIABLE, "")
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=30.0), headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx.Limits(max_connections=None),
        )  # fmt: skip
        self._failures = httpx.HTTPError, httpx.InvalidURL

    def replies(self, asks: Sequence[Ask], sampling: Sampling, done: Done) -> None:
        """Ask for all. What is under way when it stops is waited for and told: it has been paid."""
        stopping = Event()
        with ThreadPoolExecutor(self._concurrency) as pool:
            running = [pool.submit(self._answer, ask, sampling, done, stopping) for ask in asks]
            try:
                for future in as_completed(running):
                    future.result()
            finally:
                stopping.set()
                for future in running:
                    future.cancel()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _answer(self, ask: Ask, sampling: Sampling, done: Done, stopping: Event) -> None:
        done(ask, self._reply(ask, sampling, stopping))

    def _reply(self, ask: Ask, sampling: Sampling, stopping: Event) -> Reply:
        data = json.dumps(to_body(ask, sampling)).encode()
        problem = "was not asked"
        for attempt in range(self._num_tries):
            self._before()
            found, wait_s = self._try(data, attempt)
            if isinstance(found, Reply):
                return found
            problem = found
            if stopping.is_set():
                break
            if attempt + 1 < self._num_tries:
                self._sleep(wait_s)
        raise TeacherError(self._address, f"no answer after {self._num_tries} tries: {problem}",
                          do="Start the server; the run then goes on where it was.")  # fmt: skip

    def _try(self, data: bytes, attempt: int) -> tuple[Reply | str, float]:
        """Return the reply, or what is wrong and how long to wait. Raises TeacherError when that would be useless."""
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)
        headers = {"Content-Type": "application/json"}
        try:
            with self._client.stream("POST", f"{self._address}/chat/completions", content=data,
                                     headers=headers) as response:  # fmt: skip
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MOST_REPLY_BYTES:
                        return Reply(problem="the reply is longer than 16 MB"), 0.0
                status, asked_wait = response.status_code, response.headers.get("retry-after", "")
        except self._failures as error:
            return f"{type(error).__name__} {error}"[:160], wait_s
        if status == 200:
            return read_reply(content) or "the reply is no chat completion", wait_s
        said = content.decode(errors="replace")[:160]
        if status in LOCKED_OUT:
            do = f"Check the address, the model, and the key in {KEY_VARIABLE}."
            raise TeacherError(self._address, f"refuses all requests: {status} {said}", do=do)
        if status not in BUSY:
            return Reply(problem=f"refused with {status}"), 0.0
        if asked_wait.isdecimal():
            wait_s = min(LONGEST_WAIT_S, float(asked_wait[:6]))
        return f"{status} {said}", wait_s


def to_body(ask: Ask, sampling: Sampling) -> dict[str, Any]:
    """Return the request as it goes over the wire: images first, as data URLs."""
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in ask.images]
    content = [*parts, {"type": "text", "text": ask.text}] if parts else ask.text
    system = [{"role": "system", "content": ask.system}] if ask.system else []
    return {
        "model": sampling.model, "messages": [*system, {"role": "user", "content": content}],
        "max_tokens": sampling.max_tokens, "temperature": sampling.temperature, "seed": sampling.seed,
    }  # fmt: skip


def data_url(image: ImageSource) -> str:
    """Return an image as a data URL. Raises ImageError on what is no image."""
    data = image.data or b""
    suffix = image_suffix(data)
    return f"data:image/{_MEDIA.get(suffix, suffix)};base64,{base64.b64encode(data).decode()}"


def read_reply(content: bytes | bytearray) -> Reply | None:
    """Return the first answer of a chat completion; None when it is none."""
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        text, usage = choice["message"]["content"], body.get("usage") or {}
        reason = choice.get("finish_reason")
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None
    if not isinstance(text, str | None):
        return None
    told = [count if isinstance(count, int) and count >= 0 else 0 for count in counts]
    return Reply(text=text or "", finish_reason=reason if isinstance(reason, str) else "",
                 prompt_tokens=told[0], completion_tokens=told[1])  # fmt: skip
