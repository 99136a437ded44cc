"""Answering: asks to events, by the engine of this process. Bounded in number and in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from vl2.core.errors import VL2Error
from vl2.engine.assistant import Assistant
from vl2.engine.events import StreamEvent
from vl2.engine.request import Request
from vl2.engine.service import EngineService
from vl2.serve.ask import Ask
from vl2.serve.constraints import Constraints
from vl2.serve.logprobs import logprob_entry
from vl2.serve.metrics import Metrics, engine_numbers
from vl2.serve.problems import Problem, engine_stopped, overloaded
from vl2.serve.settings import ServeSettings
from vl2.serve.told import Told
from vl2.serve.turns import Turns
from vl2.serve.watch import Watch

PREPARED_AT_ONCE = 2  # requests whose images are decoded and cut: memory and cores are bounded


@dataclass(frozen=True, kw_only=True)
class EngineRequests:
    """Requests that the engine can answer, and what they cost before the first token."""

    requests: tuple[Request, ...]
    started: float  # by time.perf_counter

    @property
    def prompt_tokens(self) -> int:
        """Return the tokens of the prompt, visual ones included."""
        return self.requests[0].num_prompt_tokens

    @property
    def image_tokens(self) -> int:
        """Return the visual tokens of the prompt."""
        return self.requests[0].num_image_tokens


class Answering:
    """Prepare asks in threads, and let the engine answer them."""

    def __init__(
        self, assistant: Assistant, service: EngineService, settings: ServeSettings, metrics: Metrics
    ) -> None:
        self.assistant, self.service, self.settings, self.metrics = assistant, service, settings, metrics
        self.num_open = 0  # answers that are waited for
        vocab_size = assistant.model.config.language_config.vocab_size
        self.constraints = Constraints(assistant.processor.tokenizer, vocab_size)
        self._preparing = Turns(PREPARED_AT_ONCE)

    @property
    def is_running(self) -> bool:
        """Tell whether the engine still answers."""
        return self.service.is_running

    def numbers(self) -> dict[str, float]:
        """Return what the caches hold and have saved."""
        return engine_numbers(self.service.engine)

    async def prepare(self, ask: Ask) -> EngineRequests:
        """Cut images and check everything that can be refused. Raises Problem and VL2Error."""
        started = time.perf_counter()
        if not self.is_running:
            raise engine_stopped()
        if self.num_open + ask.num_answers > self.settings.max_open:
            raise overloaded()
        try:
            requests = await self._preparing.take(partial(self._requests, ask), self.settings.image_timeout_s)
        except TimeoutError:
            raise Problem(
                503, "The images took too long to prepare. Send fewer or smaller ones, or ask again later.",
                "image_timeout", retry_after_s=1,
            ) from None  # fmt: skip
        return EngineRequests(requests=requests, started=started)

    async def events(self, prepared: EngineRequests) -> AsyncIterator[list[Told]]:
        """Yield what is said as it is computed; closing it early frees everything. Raises Problem.

        What has come meanwhile comes together: a loop that cannot keep up has less to write, not more to wait for.
        """
        if self.num_open + len(prepared.requests) > self.settings.max_open:  # others were prepared at the same time
            raise overloaded()
        queue: asyncio.Queue[Told | Exception] = asyncio.Queue()
        tasks = [asyncio.create_task(self._follow(k, one, queue)) for k, one in enumerate(prepared.requests)]
        self.num_open += len(tasks)
        watch = Watch(self.metrics, prepared, prepared.started)
        try:
            async with asyncio.timeout(self.settings.request_timeout_s):
                num_left = len(tasks)
                while num_left:
                    found = [await queue.get()]
                    while not queue.empty():
                        found.append(queue.get_nowait())
                    told = [one for one in found if isinstance(one, Told)]
                    for one in told:
                        watch.note(one)
                        num_left -= one.finish_reason is not None
                    if told:
                        yield told
                    for one in found:
                        if isinstance(one, Exception):
                            raise one
        except TimeoutError:
            limit = self.settings.request_timeout_s
            raise Problem(504, f"The answer took longer than {limit:g} s.", "request_timeout") from None
        finally:
            self.num_open -= len(tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, index: int, request: Request, queue: asyncio.Queue[Told | Exception]) -> None:
        is_over = False
        try:
            async with aclosing(aiter(self.service.submit(request))) as events:  # type: ignore[type-var]
                async for event in events:
                    if event.error is not None:
                        raise Problem(500, f"The answer broke off: {event.error}", "answer_failed")
                    is_over = event.finish_reason is not None
                    queue.put_nowait(self._told(index, event))
            if not is_over:
                raise engine_stopped()
        except VL2Error as error:
            queue.put_nowait(Problem.of(error) if self.is_running else engine_stopped())
        except Problem as problem:
            queue.put_nowait(problem)

    def _told(self, index: int, event: StreamEvent) -> Told:
        tokenizer = self.assistant.processor.tokenizer
        return Told(
            index=index, text=event.text, num_tokens=len(event.token_ids), num_cached=event.num_cached,
            finish_reason=event.finish_reason,
            logprobs=(logprob_entry(event.logprobs, tokenizer),) if event.logprobs is not None else (),
        )  # fmt: skip

    def _requests(self, ask: Ask) -> tuple[Request, ...]:
        request = self.assistant.request(ask.conversation, ask.settings, ask.budget)
        self.service.engine.check(request)
        return tuple(self._copy(request, ask, number) for number in range(ask.num_answers))

    def _copy(self, request: Request, ask: Ask, number: int) -> Request:
        """Return one of several answers to the same question: each has a seed and a constraint of its own."""
        seed = request.settings.seed
        settings = request.settings if seed is None else replace(request.settings, seed=(seed + number) % 2**63)
        return replace(request, settings=settings, constraint=self.constraints.make(ask.bound))
