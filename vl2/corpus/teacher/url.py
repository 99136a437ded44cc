"""URL: a teacher behind any OpenAI-compatible address, `vl2 serve` among them; asked again while it is only busy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import Any

from vl2.core.completions import KEY_VARIABLE, Completion, CompletionServer, Refusal
from vl2.core.encoded import data_url
from vl2.corpus.teacher.ask import Ask, Done, Reply, Sampling, TeacherError

LOCKED_OUT = (401, 402, 403, 404)  # no request will be answered: nothing is wrong with this one


class UrlBackend:
    """Chat completions of one server; `concurrency` requests at a time, each made `num_tries` times at most."""

    def __init__(self, address: str, *, concurrency: int = 8, timeout_s: float = 300.0, num_tries: int = 6,
                 before: Callable[[], None] = lambda: None, sleep: Callable[[float], None] = time.sleep,
                 ) -> None:  # fmt: skip
        self._server = CompletionServer(address, timeout_s=timeout_s)
        self._concurrency, self._num_tries, self._before, self._sleep = concurrency, num_tries, before, sleep

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
        self._server.close()

    def _answer(self, ask: Ask, sampling: Sampling, done: Done, stopping: Event) -> None:
        done(ask, self._reply(ask, sampling, stopping))

    def _reply(self, ask: Ask, sampling: Sampling, stopping: Event) -> Reply:
        body = json.dumps(to_body(ask, sampling)).encode()
        problem = "was not asked"
        for attempt in range(self._num_tries):
            self._before()
            found = self._server.ask(body, attempt)
            if isinstance(found, Completion):
                return to_reply(found)
            if found.wait_s is None:
                return self._refused(found)
            problem = found.problem
            if stopping.is_set():
                break
            if attempt + 1 < self._num_tries:
                self._sleep(found.wait_s)
        raise TeacherError(self._server.address, f"no answer after {self._num_tries} tries: {problem}",
                          do="Start the server; the run then goes on where it was.")  # fmt: skip

    def _refused(self, refusal: Refusal) -> Reply:
        """Return the reply to a request that is refused for what it asks. Raises TeacherError if all would be."""
        if refusal.status in LOCKED_OUT:
            do = f"Check the address, the model, and the key in {KEY_VARIABLE}."
            raise TeacherError(self._server.address, f"refuses all requests: {refusal.problem}", do=do)
        return Reply(problem=f"refused with {refusal.status}" if refusal.status else refusal.problem)


def to_reply(said: Completion) -> Reply:
    """Return what was said as a reply; counts that were not told are 0."""
    return Reply(text=said.text, finish_reason=said.finish_reason, prompt_tokens=said.prompt_tokens or 0,
                 completion_tokens=said.completion_tokens or 0)  # fmt: skip


def to_body(ask: Ask, sampling: Sampling) -> dict[str, Any]:
    """Return the request as it goes over the wire: images first, as data URLs."""
    urls = [data_url(image.data or b"") for image in ask.images]
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content = [*parts, {"type": "text", "text": ask.text}] if parts else ask.text
    system = [{"role": "system", "content": ask.system}] if ask.system else []
    return {
        "model": sampling.model, "messages": [*system, {"role": "user", "content": content}],
        "max_tokens": sampling.max_tokens, "temperature": sampling.temperature, "seed": sampling.seed,
    }  # fmt: skip
