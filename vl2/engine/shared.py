"""SharedEngine: one engine that lives as long as its owner, stepped by whoever waits for an answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from vl2.core.errors import VL2Error
from vl2.engine.engine import Engine
from vl2.engine.events import StreamEvent
from vl2.engine.request import Request


class SharedEngine:
    """Answer requests of any thread. A caller that waits computes a step for all; nothing is computed unasked.

    What was computed for earlier requests stays in the engine's caches, so that the next turn of a conversation
    starts where the last one ended.
    """

    def __init__(self, make: Callable[[], Engine]) -> None:
        """`make` builds the engine when the first request comes."""
        self._make = make
        self._engine: Engine | None = None
        self._events: dict[int, deque[StreamEvent]] = {}  # computed and not fetched yet, by request
        self._left: deque[tuple[Engine, int]] = deque()  # requests whose answers nobody wants any more
        self._lock = threading.Lock()

    def stream(self, request: Request) -> Iterator[StreamEvent]:
        """Yield what is said as it is computed; a stream that is closed early ends its request."""
        with self._lock:
            self._engine = engine = self._engine or self._make()
            self._forget(engine)
            number = engine.add(request)
            events = self._events[number] = deque()
        try:
            while True:
                event = self._next(engine, events)
                yield event
                if event.finish_reason:
                    return
        finally:
            # without the lock: the garbage collector may close a stream in the middle of a step
            self._left.append((engine, number))

    def _next(self, engine: Engine, events: deque[StreamEvent]) -> StreamEvent:
        if events:  # what another thread has computed is there whoever holds the lock
            return events.popleft()
        with self._lock:
            while not events:
                if engine is not self._engine:
                    raise VL2Error("engine", "stopped in the middle of this answer", do="Ask again.")
                self._forget(engine)
                self._step(engine)
            return events.popleft()

    def _step(self, engine: Engine) -> None:
        try:
            for event in engine.step():
                self._events[event.row].append(event)
        except BaseException:  # an interrupt, or no memory: half a step may be in the caches
            self._engine = None
            self._events.clear()
            raise

    def _forget(self, engine: Engine) -> None:
        while self._left:
            owner, number = self._left.popleft()
            if owner is engine:
                self._events.pop(number, None)
                engine.abort(number)
