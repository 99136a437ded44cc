"""Any OpenAI-compatible server as the answerer, asked by many workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from vl2.core.errors import VL2Error
from vl2.evaluation.answerers.answerer import Identity, Question, Reply
from vl2.evaluation.answerers.endpoint import Endpoint, to_wire


class OpenAIAnswerer:
    """Keep so many questions at a server as there are workers."""

    def __init__(self, endpoint: Endpoint, *, workers: int = 8) -> None:
        if workers < 1:
            raise VL2Error("workers", "out of range", got=workers, expected="1 or more")
        self.identity = Identity(model=endpoint.model, fingerprint=f"{endpoint.model} at {endpoint.address}")
        self._endpoint, self._workers = endpoint, workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="vl2-asking")

    def answer(self, questions: Iterable[Question]) -> Iterator[Reply]:
        """Yield each reply when it has come."""
        waiting: set[Future[Reply]] = set()
        for question in questions:
            waiting.add(self._pool.submit(self._ask, question))
            if len(waiting) >= self._workers:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)

    def close(self) -> None:
        """Wait for no more answers."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._endpoint.close()

    def _ask(self, question: Question) -> Reply:
        asking = question.asking
        try:
            wire = to_wire(question.sample.messages, question.sample.images)
            said = self._endpoint.complete(wire, max_tokens=asking.max_new_tokens, stop=asking.stop)
        except VL2Error as error:
            return Reply(question=question, error=str(error))
        return Reply(
            question=question, said=said.text, finish_reason=said.finish_reason, num_tokens=said.completion_tokens
        )  # fmt: skip
