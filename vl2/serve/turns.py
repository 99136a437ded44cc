"""Turns: blocking work in threads, at most so much at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """Give work its turn. What nobody waits for any longer keeps it until it is done: a thread cannot be stopped."""

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def take(self, work: Callable[[], T], most_s: float | None = None) -> T:
        """Return what work returns. Raises what it raises, and TimeoutError when it takes longer than `most_s`.

        The wait for a turn is not part of that time.
        """
        await self._free.acquire()
        done = asyncio.get_running_loop().run_in_executor(None, work)
        done.add_done_callback(lambda _: self._free.release())
        async with asyncio.timeout(most_s):
            return await asyncio.shield(done)
