"""Watch: the times and tokens of one request, whoever computes its answers."""

from __future__ import annotations

import time

from vl2.serve.metrics import Metrics
from vl2.serve.told import Prepared, Told


class Watch:
    """Count what is told of the answers to one request."""

    def __init__(self, metrics: Metrics, prepared: Prepared, started: float) -> None:
        """Take the times from when the request came: `started`, by time.perf_counter."""
        self._metrics, self._prepared, self._started = metrics, prepared, started
        self._before: dict[int, float] = {}  # when each answer last went on
        self._cached: set[int] = set()
        self._is_counted = False  # what the prompt holds, once however many answers there are

    def note(self, told: Told) -> None:
        """Count one piece of an answer."""
        count = self._metrics.tokens
        if not self._is_counted:
            self._is_counted = True
            count.labels("prompt").inc(self._prepared.prompt_tokens)
            count.labels("image").inc(self._prepared.image_tokens)
        if told.text or told.num_tokens:
            self._note_time(told.index)
        if told.num_cached and told.index not in self._cached:
            self._cached.add(told.index)
            count.labels("cached").inc(told.num_cached)
        count.labels("completion").inc(told.num_tokens)

    def _note_time(self, index: int) -> None:
        now = time.perf_counter()
        if index in self._before:
            self._metrics.next_token.observe(now - self._before[index])
        else:
            self._metrics.first_token.observe(now - self._started)
        self._before[index] = now
