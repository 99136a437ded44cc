"""Answerers that need no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vl2.evaluation.answerers.answerer import Identity, Question, Reply


class FakeAnswerer:
    """Say what a function says; remember what was asked."""

    def __init__(self, say: Callable[[Question], str], **identity) -> None:
        self.identity = Identity(**{"model": "fake", "fingerprint": "f" * 8, **identity})
        self.say, self.asked = say, []

    def answer(self, questions: Iterable[Question]) -> Iterator[Reply]:
        for question in questions:
            self.asked.append(question)
            said = self.say(question)
            error = "it broke" if said == "ERROR" else ""
            yield Reply(question=question, said="" if error else said, finish_reason="stop", num_tokens=1, error=error)

    def close(self) -> None:
        pass
