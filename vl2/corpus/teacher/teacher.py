"""Teacher: requests in, replies out. The cache is looked at first; the budget is kept; the pace is kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from vl2.corpus.teacher.ask import Ask, Backend, Reply, Sampling, TeacherError, key_of
from vl2.corpus.teacher.cache import Cache, Forgetful
from vl2.corpus.teacher.composed import Composed
from vl2.corpus.teacher.pace import Pace
from vl2.corpus.teacher.ray_llm import RayBackend
from vl2.corpus.teacher.recorded import Recorded
from vl2.corpus.teacher.service import Service, load_service
from vl2.corpus.teacher.url import UrlBackend

MILLION = 1_000_000
CHARACTERS_A_TOKEN = 1.5  # at the least: Chinese
TOKENS_AN_IMAGE = 4000  # at the most, of what servers count for one


class Teacher:
    """Ask one service; everything it says is remembered."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._cache = Forgetful() if service.kind == "composed" else Cache(service.cache)
        self._backend = _backend(service, Pace(service.cache, service.requests_per_s))
        self._lock = threading.Lock()
        self.num_asked = 0  # requests that were not in the cache

    def ask_all(self, asks: Sequence[Ask], sampling: Sampling) -> list[Reply]:
        """Return a reply to each request, equal ones asked once. Raises TeacherError."""
        keys = [key_of(ask, sampling) for ask in asks]
        self._cache.refresh()
        found = {key: reply for key in keys if (reply := self._known(key)) is not None}
        new = {key: ask for key, ask in zip(keys, asks, strict=True) if key not in found}

        def note(ask: Ask, reply: Reply) -> None:
            key = key_of(ask, sampling)
            self._cache.add(key, ask, sampling, reply, self._cost(reply.prompt_tokens, reply.completion_tokens))
            with self._lock:
                found[key] = reply
                self.num_asked += 1

        left = list(new.values())
        while left:  # as many at a time as the budget surely pays for
            count = self._affordable(left, sampling)
            self._backend.replies(left[:count], sampling, note)
            left = left[count:]
        return [found[key] for key in keys]

    def _known(self, key: str) -> Reply | None:
        reply = self._cache.find(key)
        return None if reply is not None and reply.problem and self._service.retry_refused else reply

    def _affordable(self, asks: Sequence[Ask], sampling: Sampling) -> int:
        """Return how many of the next requests fit the budget however much is said. Raises TeacherError on none."""
        budget = self._service.budget
        if budget is None:
            return len(asks)
        self._cache.refresh()
        rest = budget - self._cache.spent
        for count, ask in enumerate(asks[: self._service.concurrency]):
            tokens = (len(ask.system) + len(ask.text)) / CHARACTERS_A_TOKEN + TOKENS_AN_IMAGE * len(ask.images)
            rest -= self._cost(tokens, sampling.max_tokens)
            if rest < 0:
                if count:
                    return count
                raise TeacherError("teacher", "the budget is spent", got=f"{self._cache.spent:.4f} of {budget:g}",
                                  do="Raise it in the service file; the run then goes on where it was.")  # fmt: skip
        return min(len(asks), self._service.concurrency)

    def _cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        service = self._service
        return (prompt_tokens * service.price_in + completion_tokens * service.price_out) / MILLION


def teacher_of(path: str) -> Teacher:
    """Return the teacher of a service file. Raises ConfigError, and VL2Error on what is not installed."""
    return _open(Path(path).resolve())


@lru_cache(maxsize=8)  # of this process: one cache, one set of connections
def _open(path: Path) -> Teacher:
    return Teacher(load_service(str(path)))


def _backend(service: Service, pace: Pace) -> Backend:
    match service.kind:
        case "url":
            return UrlBackend(service.url, concurrency=service.concurrency, timeout_s=service.timeout_s,
                              num_tries=service.num_tries, before=pace.wait)  # fmt: skip
        case "recorded":
            return Recorded.read(service.recording)
        case "composed":
            return Composed()
        case "ray":
            return RayBackend(engine=service.engine, batch_size=service.concurrency, replicas=service.replicas)
