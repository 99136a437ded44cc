"""EngineService: an engine in a thread of its own, asked from any thread or event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from vl2.core.errors import VL2Error
from vl2.engine.engine import Engine
from vl2.engine.events import StreamEvent
from vl2.engine.request import Request

Deliver = Callable[[StreamEvent | None], object]  # None ends the answer: cancelled, or the service is closed


@dataclass(eq=False)
class Ticket:
    """One request of the service. Iterate, or iterate asynchronously, once: the events come as they are computed."""

    service: EngineService
    request: Request
    number: int = -1  # the engine's, once it has the request
    deliver: Deliver = field(default=lambda event: None)
    is_cancelled: bool = False

    def __iter__(self) -> Iterator[StreamEvent]:
        events: queue.SimpleQueue[StreamEvent | None] = queue.SimpleQueue()
        self.service.start(self, events.put)
        try:
            while (event := events.get()) is not None:
                yield event
                if event.finish_reason:
                    return
        finally:
            self.cancel()  # of no effect on what has ended

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()

        def tell(event: StreamEvent | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(events.put_nowait, event)

        self.service.start(self, tell)
        try:
            while (event := await events.get()) is not None:
                yield event
                if event.finish_reason:
                    return
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Want no more of this answer."""
        self.service.cancel(self)


class EngineService:
    """Step the engine while it has work; take requests and cancellations between two steps."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._changed = threading.Condition()
        self._arriving: list[Ticket] = []
        self._leaving: list[Ticket] = []
        self._tickets: dict[int, Ticket] = {}
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="vl2-engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> EngineService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Tell whether requests are answered."""
        return self._thread.is_alive() and not self._is_closed

    def submit(self, request: Request) -> Ticket:
        """Return a ticket; the request starts when the ticket is iterated. Raises VL2Error when it can never fit."""
        self.engine.check(request)
        return Ticket(self, request)

    def start(self, ticket: Ticket, deliver: Deliver) -> None:
        """Hand a ticket to the engine. Raises VL2Error when the service is closed."""
        with self._changed:
            if self._is_closed:
                raise VL2Error("engine", "is closed", do="Start a new one.")
            ticket.deliver = deliver
            self._arriving.append(ticket)
            self._changed.notify()

    def cancel(self, ticket: Ticket) -> None:
        """Take a ticket back; what it was given stays valid."""
        with self._changed:
            ticket.is_cancelled = True
            self._leaving.append(ticket)
            self._changed.notify()

    def close(self) -> None:
        """End the thread; answers under way end without a finish reason."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._exchange():
                for event in self.engine.step() if self.engine.has_work else ():
                    ticket = self._tickets[event.row]
                    if event.finish_reason:
                        del self._tickets[event.row]
                    ticket.deliver(event)
        finally:  # also when a step fails: nobody may wait for ever
            with self._changed:
                self._is_closed = True
            for ticket in (*self._tickets.values(), *self._arriving):
                ticket.deliver(None)

    def _exchange(self) -> bool:
        """Take what has arrived and what leaves, waiting for it when there is nothing to compute; False to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._arriving or self._leaving or self.engine.has_work)
            if self._is_closed:
                return False
            arriving, leaving = self._arriving, self._leaving
            self._arriving, self._leaving = [], []
        for ticket in arriving:
            if ticket.is_cancelled:
                ticket.deliver(None)
                continue
            try:
                ticket.number = self.engine.add(ticket.request)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                ticket.deliver(StreamEvent(row=-1, token_ids=(), text="", finish_reason="error", error=error))
                continue
            self._tickets[ticket.number] = ticket
        for ticket in leaving:
            if self._tickets.pop(ticket.number, None) is not None:
                self.engine.abort(ticket.number)
                ticket.deliver(None)
        return True
